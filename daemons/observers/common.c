/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers are shown as elsewhere (base/figure.h). Texts of a run may be a stranger's, who may want
 * a second line in a protocol of lines: they lose their control characters here. */
#include "observers/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/figure.h"
#include "base/utf8.h"

#define DEFAULT_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* ---- reading --------------------------------------------------------------------------------- */

static int read_all(int fd, char **ret, size_t *ret_size, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0, room = 0;

    for (;;) {
        if (size == room) {
            room = MAX(2 * room, (size_t)65536);
            char *more = room <= INPUT_MAX_BYTES ? realloc(text, room) : NULL;
            if (!more) {
                return error_set_errno(error, room > INPUT_MAX_BYTES ? -E2BIG : -ENOMEM,
                                       "cannot read about the run");
            }
            text = more;
        }
        ssize_t n = read(fd, text + size, room - size);
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, -errno, "cannot read about the run");
        }
        if (n == 0) {
            *ret = TAKE_PTR(text);
            *ret_size = size;
            return 0;
        }
        size += (size_t)MAX(n, (ssize_t)0);
    }
}

int input_read(struct input *ret, int fd, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    uint64_t now_usec = clock_monotonic_usec();
    size_t size = 0;

    int r = read_all(fd, &text, &size, error);
    if (r == 0) {
        r = wire_json_load(text, size, INPUT_MAX_BYTES, &ret->json, error);
    }
    if (r < 0) {
        return r;
    }
    json_int_t limit = json_integer_value(json_object_get(ret->json, "timeout_usec"));
    uint64_t usec = limit > 0 ? (uint64_t)limit : DEFAULT_TIMEOUT_USEC;
    ret->deadline_usec = now_usec + usec / 5 * 4; /* so that we can say ourselves what happened */
    ret->observer = input_text(ret, "observer", "observer");
    return 0;
}

void input_clear(struct input *input)
{
    json_decref(input->json);
    input->json = NULL;
}

const char *input_text(const struct input *input, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(input->json, key));
    return text && *text ? text : otherwise;
}

const char *input_option(const struct input *input, const char *key, const char *otherwise)
{
    const json_t *options = json_object_get(input->json, "observer_options");
    const char *text = json_string_value(json_object_get(options, key));
    return text && *text ? text : otherwise;
}

uint64_t input_left_usec(const struct input *input)
{
    uint64_t now_usec = clock_monotonic_usec();
    return now_usec < input->deadline_usec ? input->deadline_usec - now_usec : 0;
}

int input_secret(const struct input *input, const char *key, char ret[static SECRET_MAX_BYTES],
                 struct error *error)
{
    const char *path = input_option(input, key, NULL);
    struct stat status;

    ret[0] = '\0';
    if (!path) {
        return 0;
    }
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set_errno(error, -errno, "%s: %s", key, path);
    }
    if (status.st_mode & S_IRWXO) {
        return error_set(error, -EACCES, "%s: others may read %s: chmod 600 it", key, path);
    }
    ssize_t n = read(fd, ret, SECRET_MAX_BYTES - 1);
    if (n < 0) {
        return error_set_errno(error, -errno, "%s: %s", key, path);
    }
    ret[n] = '\0';
    ret[strcspn(ret, "\r\n")] = '\0';
    return *ret ? 0 : error_set(error, -EINVAL, "%s: the first line of %s is empty", key, path);
}

/* ---- saying ---------------------------------------------------------------------------------- */

void put_clean(char *to, size_t room, const char *text)
{
    size_t size = strlen(text), used = 0;

    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t length = utf8_character(text + i, size - i, &character);
        bool is_shown = length > 0 && character >= ' ' && (character < 0x7f || character > 0x9f) &&
                        character != 0x2028 && character != 0x2029;
        size_t taken = MAX(length, (size_t)1);
        if (used + (is_shown ? length : 1) >= room) {
            break;
        }
        if (is_shown) {
            memcpy(to + used, text + i, length);
            used += length;
        } else {
            to[used++] = ' ';
        }
        i += taken;
    }
    to[used] = '\0';
}

static uint64_t count_of(const json_t *json, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(json, key));
    return value > 0 ? (uint64_t)value : 0;
}

static _printf_(3, 4) void add(struct facts *facts, const char *label, const char *format, ...)
{
    struct fact *fact = &facts->facts[facts->n++];
    va_list arguments;

    assert(facts->n <= FACTS);
    fact->label = label;
    va_start(arguments, format);
    (void)vsnprintf(fact->value, sizeof fact->value, format, arguments); /* numbers fit */
    va_end(arguments);
}

void facts_of(const struct input *input, struct facts *ret)
{
    const json_t *json = input->json, *latency = json_object_get(json, "latency");
    const json_t *iterations = json_object_get(json, "iterations");
    char figure[FIGURE_BYTES];

    *ret = (struct facts){.name = input_text(input, "name", "a run"),
                          .result = input_text(input, "result", "over"),
                          .trouble = input_text(input, "trouble", NULL),
                          .link = input_text(input, "link", NULL),
                          .thresholds = json_object_get(json, "thresholds")};
    add(ret, "Duration", "%s",
        figure_seconds((double)count_of(json, "duration_usec") / 1e6, figure));
    add(ret, "Hits", "%s", figure_whole(count_of(json, "hits"), figure));
    add(ret, "Rate", "%s/s",
        figure_rounded(json_number_value(json_object_get(json, "hits_per_sec")), figure));
    if (latency) {
        add(ret, "p95", "%s", figure_usec((double)count_of(latency, "p95_usec"), figure));
    }
    add(ret, "Failures", "%s", figure_whole(count_of(iterations, "failures"), figure));
    add(ret, "Errors", "%s", figure_whole(count_of(iterations, "errors"), figure));
    add(ret, "Requests without an answer", "%s",
        figure_whole(count_of(json, "request_errors"), figure));
}

void facts_threshold(const struct facts *facts, size_t index, char ret[static FACT_BYTES])
{
    const json_t *threshold = json_array_get(facts->thresholds, index);
    const char *text = json_string_value(json_object_get(threshold, "threshold"));
    const char *value = json_string_value(json_object_get(threshold, "value"));
    char line[4 * FACT_BYTES];

    (void)snprintf(line, sizeof line, "%s %.*s%s%s", /* cut is fine */
                   json_is_true(json_object_get(threshold, "holds")) ? "\xe2\x9c\x93"
                                                                     : "\xe2\x9c\x97",
                   FACT_BYTES, text ? text : "", value ? ": " : "", value ? value : "");
    put_clean(ret, FACT_BYTES, line);
}

static bool holds(const struct facts *facts, size_t index)
{
    return json_is_true(json_object_get(json_array_get(facts->thresholds, index), "holds"));
}

/* How many hold, and what did not, by name. */
static void line_thresholds(const struct facts *facts, FILE *file)
{
    size_t n = json_array_size(facts->thresholds), good = 0;

    for (size_t i = 0; i < n; i++) {
        good += holds(facts, i);
    }
    if (n > 0) {
        (void)fprintf(file, ", Thresholds that hold: %zu of %zu", good, n);
    }
    for (size_t i = 0; i < n; i++) {
        char text[FACT_BYTES];
        if (!holds(facts, i)) {
            facts_threshold(facts, i, text);
            (void)fprintf(file, ", %s", text);
        }
    }
}

void facts_line(const struct facts *facts, char ret[static LINE_BYTES])
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    ret[0] = '\0';
    if (!memory) {
        return;
    }
    (void)fprintf(memory, "%.400s: %s", facts->name, facts->result);
    if (facts->link) { /* before what may be cut */
        (void)fprintf(memory, " (%.300s)", facts->link);
    }
    for (size_t i = 0; i < facts->n; i++) {
        (void)fprintf(memory, "%s %s: %s", i == 0 ? "." : ",", facts->facts[i].label,
                      facts->facts[i].value);
    }
    line_thresholds(facts, memory);
    if (facts->trouble) {
        (void)fprintf(memory, "; %s", facts->trouble);
    }
    if (fclose(memory) == 0) {
        put_clean(ret, LINE_BYTES, text);
    }
}

char *host_and_port(const char *host, const char *port)
{
    char *text;
    bool is_ipv6 = strchr(host, ':') && host[0] != '[';

    return asprintf(&text, is_ipv6 ? "[%s]:%s" : "%s:%s", host, port) < 0 ? NULL : text;
}

int observer_main(int (*observe)(const struct input *input, struct error *error))
{
    struct input input = {.json = NULL};
    struct error error = {0};
    int r = input_read(&input, STDIN_FILENO, &error);

    if (r == 0) {
        r = observe(&input, &error);
    }
    if (r < 0) {
        (void)fprintf(stderr, "%s\n", error.text);
    }
    input_clear(&input);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
