/* SPDX-License-Identifier: MPL-2.0 */
/* A row is a list of fields. Where they don't fit side by side they are written in short, and then
 * the least important ones are left out, so that a row is a line on any terminal. Rows that a low
 * terminal has no room for go by their importance, too. */
#include "shared/panel.h"

#include <stdio.h>
#include <string.h>

#include "base/figure.h"
#include "outputs/text.h"

#define DEFAULT_COLUMNS 80
#define DEFAULT_ROWS    24
#define FIELD_BYTES     96
#define MAX_FIELDS      5
#define GAP             3 /* columns between fields; 1 between short ones */
#define LINE_BAR        20
#define MIN_BAR         10
#define MAX_BAR         60
#define MIN_ERROR       30 /* columns that an error beside its count needs */
#define LEVELS          8
#define MAX_LEFT_SEC    (999 * 3600.0)

#define RED    "\x1b[31m"
#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"
#define CYAN   "\x1b[36m"
#define FAINT  "\x1b[2m"
#define PLAIN  "\x1b[0m"

struct field {
    char full[FIELD_BYTES], brief[FIELD_BYTES];
    unsigned weight;    /* the least goes first; 0: there is none */
    const char *colour; /* NULL: none */
};

/* A line as it is written. */
struct line {
    char *text; /* PANEL_LINE_BYTES */
    size_t size;
    unsigned columns, limit;
    const struct panel_style *style;
};

/* ---- writing ---- */

/* Cut to what there is room for; in a colour, NULL: none. */
static void put(struct line *line, const char *text, const char *colour)
{
    const char *before = colour && line->style->colour ? colour : "", *after = *before ? PLAIN : "";
    size_t left = PANEL_LINE_BYTES - line->size, around = strlen(before) + strlen(after);
    char fitting[PANEL_LINE_BYTES];

    if (*text && left > around + 1) {
        line->columns += text_fit(fitting, left - around, text, strlen(text),
                                  line->limit - line->columns, line->style->utf8);
        line->size +=
            (size_t)snprintf(line->text + line->size, left, "%s%s%s", before, fitting, after);
    }
}

static unsigned room(const struct line *line)
{
    return line->limit - line->columns;
}

/* ---- fields ---- */

static unsigned columns_of(const char *text)
{
    return (unsigned)text_columns(text, strlen(text));
}

/* Of those that are not left out. */
static unsigned width_of(const struct field *fields, unsigned count, bool brief)
{
    unsigned columns = 0, shown = 0;

    for (unsigned i = 0; i < count; i++) {
        if (fields[i].weight > 0) {
            columns += columns_of(brief ? fields[i].brief : fields[i].full);
            shown++;
        }
    }
    return columns + (shown > 1 ? (shown - 1) * (brief ? 1 : GAP) : 0);
}

/* The one with the least weight, of some the last. */
static struct field *least(struct field *fields, unsigned count)
{
    struct field *found = NULL;

    for (unsigned i = 0; i < count; i++) {
        if (fields[i].weight > 0 && (!found || fields[i].weight <= found->weight)) {
            found = &fields[i];
        }
    }
    return found;
}

static void put_fields(struct line *line, struct field *fields, unsigned count)
{
    bool brief = width_of(fields, count, false) > room(line);
    struct field *dropped;
    bool first = true;

    while (width_of(fields, count, brief) > room(line) && (dropped = least(fields, count))) {
        dropped->weight = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fields[i].weight > 0) {
            put(line, first ? "" : brief ? " " : "   ", NULL);
            put(line, brief ? fields[i].brief : fields[i].full, fields[i].colour);
            first = false;
        }
    }
}

/* ---- numbers ---- */

/* "1:02", "1:02:03". Returns `text`. */
static const char *clock_text(double sec, char text[static FIGURE_BYTES])
{
    uint64_t whole = (uint64_t)MIN(MAX(sec, 0.0), 1e9);
    unsigned hours = (unsigned)(whole / 3600), minutes = (unsigned)(whole / 60 % 60);

    if (hours > 0) {
        (void)snprintf(text, FIGURE_BYTES, "%u:%02u:%02u", hours, minutes, (unsigned)(whole % 60));
    } else {
        (void)snprintf(text, FIGURE_BYTES, "%u:%02u", minutes, (unsigned)(whole % 60));
    }
    return text;
}

/* A latency, "-" without any. Returns `text`. */
static const char *latency_text(uint64_t usec, locale_t utf8, char text[static FIGURE_BYTES])
{
    if (usec == 0) {
        return memcpy(text, "-", sizeof "-");
    }
    char *micro = strstr(figure_usec((double)usec, text), "µ");
    if (micro && !utf8) {
        *micro = 'u';
        memmove(micro + 1, micro + strlen("µ"), strlen(micro + strlen("µ")) + 1);
    }
    return text;
}

/* "1 error", "2 errors". */
static void set_count(struct field *field, uint64_t count, const char *word, const char *brief)
{
    char figure[FIGURE_BYTES];

    (void)figure_whole(count, figure);
    (void)snprintf(field->full, sizeof field->full, "%s %s%s", figure, word, count == 1 ? "" : "s");
    (void)snprintf(field->brief, sizeof field->brief, "%s %s", figure, brief);
}

static double share_done(const struct progress_numbers *numbers)
{
    return numbers->done >= 0 ? MIN(numbers->done, 1.0) : 0; /* not a number is nothing */
}

/* ---- rows ---- */

static void set_remaining(struct field *field, const struct progress_numbers *numbers)
{
    double done = share_done(numbers);
    double left = done > 0 ? numbers->elapsed_sec * (1 - done) / done : MAX_LEFT_SEC;
    char text[FIGURE_BYTES];

    if (numbers->state[0]) {
        (void)snprintf(field->full, sizeof field->full, "%s", numbers->state);
        (void)snprintf(field->brief, sizeof field->brief, "%s", numbers->state);
        field->colour = YELLOW;
    } else if (left < MAX_LEFT_SEC) {
        (void)snprintf(field->full, sizeof field->full, "%s left", clock_text(left, text));
        (void)snprintf(field->brief, sizeof field->brief, "-%s", text);
    } else {
        field->weight = 0;
    }
}

/* "[=====     ] ", if there is room for it beside what follows. */
static void put_bar(struct line *line, double done, unsigned beside)
{
    unsigned width = room(line) > beside + 3 ? MIN(room(line) - beside - 3, (unsigned)MAX_BAR) : 0;
    unsigned filled = (unsigned)(done * width);
    char marks[MAX_BAR + 1];

    if (width < MIN_BAR) {
        return;
    }
    memset(marks, '=', filled);
    marks[filled] = '\0';
    put(line, "[", NULL);
    put(line, marks, GREEN);
    (void)snprintf(marks, sizeof marks, "%*s", (int)(width - filled), "");
    put(line, marks, NULL);
    put(line, "] ", NULL);
}

static void row_of_time(struct line *line, const struct progress_numbers *numbers)
{
    struct field fields[4] = {{.weight = 4}, {.weight = 3}, {.weight = 2}, {.weight = 1}};
    double done = share_done(numbers);
    char text[FIGURE_BYTES];

    (void)snprintf(fields[0].full, FIELD_BYTES, "%3d%%", (int)(done * 100));
    (void)snprintf(fields[0].brief, FIELD_BYTES, "%d%%", (int)(done * 100));
    (void)snprintf(fields[1].full, FIELD_BYTES, "%s", clock_text(numbers->elapsed_sec, text));
    (void)snprintf(fields[1].brief, FIELD_BYTES, "%s", text);
    set_remaining(&fields[2], numbers);
    fields[3].weight = numbers->cycles > 1 ? fields[3].weight : 0;
    (void)snprintf(fields[3].full, FIELD_BYTES, "cycle %u/%u", numbers->cycle + 1, numbers->cycles);
    (void)snprintf(fields[3].brief, FIELD_BYTES, "%u/%u", numbers->cycle + 1, numbers->cycles);
    put_bar(line, done, width_of(fields, ELEMENTSOF(fields), false));
    put_fields(line, fields, ELEMENTSOF(fields));
}

static void set_agents(struct field *field, const struct progress_numbers *numbers)
{
    unsigned alive = numbers->agents - MIN(numbers->lost, numbers->agents);

    if (numbers->lost > 0) {
        (void)snprintf(field->full, FIELD_BYTES, "%u of %u agents", alive, numbers->agents);
        (void)snprintf(field->brief, FIELD_BYTES, "%u/%u ag.", alive, numbers->agents);
        field->colour = RED;
    } else {
        set_count(field, alive, "agent", "ag.");
    }
    field->weight = numbers->agents > 0 ? field->weight : 0;
}

static void row_of_load(struct line *line, const struct progress_numbers *numbers)
{
    struct field fields[4] = {{.weight = 3}, {.weight = 4}, {.weight = 1}, {.weight = 2}};
    double rate = numbers->has_recent         ? numbers->recent.hits_per_sec
                  : numbers->elapsed_sec >= 1 ? (double)numbers->hits / numbers->elapsed_sec
                                              : 0;
    char text[FIGURE_BYTES];

    set_count(&fields[0], numbers->users, "user", "users");
    (void)snprintf(fields[1].full, FIELD_BYTES, "%s hits/s", figure_rounded(rate, text));
    (void)snprintf(fields[1].brief, FIELD_BYTES, "%s/s", text);
    set_count(&fields[2], numbers->hits, "hit", "hits");
    set_agents(&fields[3], numbers);
    put_fields(line, fields, ELEMENTSOF(fields));
}

static void row_of_latency(struct line *line, const struct progress_numbers *numbers)
{
    struct field fields[4] = {{.weight = 2}, {.weight = 4}, {.weight = 3}, {.weight = 1}};
    const uint64_t usec[] = {numbers->recent.p50_usec, numbers->recent.p95_usec,
                             numbers->recent.p99_usec};
    static const char *const names[] = {"p50", "p95", "p99"};
    char text[FIGURE_BYTES];

    for (unsigned i = 0; i < ELEMENTSOF(usec); i++) {
        (void)snprintf(fields[i].full, FIELD_BYTES, "%s %s", names[i],
                       latency_text(usec[i], line->style->utf8, text));
        (void)snprintf(fields[i].brief, FIELD_BYTES, "%s", fields[i].full);
    }
    (void)snprintf(fields[3].full, FIELD_BYTES, "(last %d s)", RECENT_SEC);
    (void)snprintf(fields[3].brief, FIELD_BYTES, "%d s", RECENT_SEC);
    fields[3].colour = FAINT;
    put_fields(line, fields, ELEMENTSOF(fields));
}

static void row_of_trend(struct line *line, const struct progress_numbers *numbers)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const signs[LEVELS + 1] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
    const struct recent_numbers *recent = &numbers->recent;
    char most[FIGURE_BYTES], end[FIELD_BYTES], drawn[4 * RECENT_TREND_SEC + 1] = "";
    unsigned n_trend = MIN(recent->n_trend, (unsigned)RECENT_TREND_SEC);
    unsigned beside =
        2 * GAP + (unsigned)strlen("p95 by second") + (unsigned)strlen("up to 9999 ms");
    bool spacious = room(line) >= beside + LEVELS;
    unsigned shown = MIN(n_trend, spacious ? room(line) - beside : room(line));
    const uint64_t *trend = recent->trend_usec + n_trend - shown;
    uint64_t highest = 0;
    char *at = drawn;

    for (unsigned i = 0; i < shown; i++) {
        highest = MAX(highest, MIN(trend[i], HISTOGRAM_MAX_USEC));
    }
    for (unsigned i = 0; i < shown && highest > 0; i++) {
        uint64_t value = MIN(trend[i], HISTOGRAM_MAX_USEC);
        uint64_t level = (value * LEVELS + highest - 1) / highest;
        at = stpcpy(at, line->style->utf8 ? blocks[level] : signs[level]);
    }
    (void)snprintf(end, sizeof end, "   up to %s", latency_text(highest, line->style->utf8, most));
    put(line, spacious ? "p95 by second   " : "", FAINT);
    put(line, highest > 0 ? drawn : "-", CYAN);
    put(line, spacious && highest > 0 ? end : "", NULL);
}

/* Whether there is an error to show, and it stands in a row of its own. */
static bool row_of_errors(struct line *line, const struct progress_numbers *numbers)
{
    struct field fields[2] = {{.weight = 2}, {.weight = 1}};

    set_count(&fields[0], numbers->errors, "error", "err.");
    set_count(&fields[1], numbers->failures, "failure", "fail.");
    fields[0].colour = numbers->errors > 0 ? RED : NULL;
    fields[1].colour = numbers->failures > 0 ? RED : NULL;
    put_fields(line, fields, ELEMENTSOF(fields));
    if (numbers->last_error[0] && room(line) >= MIN_ERROR + GAP) {
        put(line, "   ", NULL);
        put(line, numbers->last_error, NULL);
        return false;
    }
    return numbers->last_error[0];
}

/* ---- the whole ---- */

static struct line begin(struct panel *panel, const struct panel_style *style)
{
    unsigned columns = style->columns > 0 ? style->columns : DEFAULT_COLUMNS;
    char *text = panel->lines[panel->count++];

    *text = '\0';
    return (struct line){
        .text = text, .limit = MIN(columns - 1, (unsigned)PANEL_MAX_COLUMNS), .style = style};
}

void panel_render(const struct progress_numbers *numbers, const struct panel_style *style,
                  struct panel *ret)
{
    /* What is shown on a lower terminal, too, comes first here. */
    unsigned rows = style->rows > 0 ? style->rows : DEFAULT_ROWS;
    unsigned left = rows > 1 ? rows - 1 : 1;
    bool trend = left > 5 && numbers->has_recent;
    struct line line;

    ret->count = 0;
    if (left > 4) {
        (void)begin(ret, style);
    }
    line = begin(ret, style);
    row_of_time(&line, numbers);
    if (left > 1) {
        line = begin(ret, style);
        row_of_load(&line, numbers);
    }
    if (left > 3 && numbers->has_recent) {
        line = begin(ret, style);
        row_of_latency(&line, numbers);
    }
    if (trend) {
        line = begin(ret, style);
        row_of_trend(&line, numbers);
    }
    if (left > 2) {
        line = begin(ret, style);
        if (row_of_errors(&line, numbers) && left > 6) {
            line = begin(ret, style);
            put(&line, numbers->last_error, NULL);
        }
    }
}

const char *panel_line(const struct progress_numbers *numbers, bool bar, unsigned width, char *line,
                       size_t size)
{
    double done = share_done(numbers);
    unsigned filled = (unsigned)(done * LINE_BAR);
    char cycle[48] = "", marks[LINE_BAR + 4] = "";

    if (bar) {
        (void)snprintf(marks, sizeof marks, "[%.*s%*s] ", (int)filled,
                       "====================", (int)(LINE_BAR - filled), "");
    }
    if (numbers->cycles > 1) {
        (void)snprintf(cycle, sizeof cycle, ", cycle %u/%u", numbers->cycle + 1, numbers->cycles);
    }
    int n =
        snprintf(line, size, "%s%d%%  %.0f s, %ju hits, %u users%s, %ju errors, %ju failures",
                 marks, (int)(done * 100), numbers->elapsed_sec, (uintmax_t)numbers->hits,
                 numbers->users, cycle, (uintmax_t)numbers->errors, (uintmax_t)numbers->failures);
    if (bar && n > 0 && (unsigned)n >= width) {
        return panel_line(numbers, false, width, line, size);
    }
    if (n > 0 && (unsigned)n >= width && width > 0 && width < size) {
        line[width - 1] = '\0'; /* all of it is ASCII */
    }
    return line;
}
