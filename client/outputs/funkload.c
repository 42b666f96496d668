/* SPDX-License-Identifier: MPL-2.0 */
/* The XML of FunkLoad 1.17, for its report builder: what the run was as <config>, a <response> per
 * request, a <testResult> per iteration, as they come.
 *
 * FunkLoad's words: a page is a request that is no redirect's, a step is a page's number in its
 * test, and the responses to it are numbered, redirects included. So each user's place in its
 * iteration is kept here. Its report needs the length of a cycle in front of everything else; a run
 * that says how often and not how long has it only at the end, when it is written where room was
 * left. Where that can't be, as in a pipe, it stays at one second. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shown.h"
#include "outputs/types.h"
#include "outputs/xml.h"
#include "run/cycles.h"

#define NODE_BYTES     256
#define DURATION_BYTES 12 /* room for a length that is known at the end */
#define METHOD_BYTES   32

/* Users of a cycle, over all agents. */
static unsigned users_of(const struct output_run *run, unsigned cycle)
{
    size_t agents = run->agents ? MAX(run->agents->count, (size_t)1) : 1;
    return cycles_at(run->spec, cycle).users * (unsigned)agents;
}

/* Where a user is in its iteration. */
struct place {
    uint32_t cycle, iteration;
    uint32_t steps, numbers; /* pages; responses to the last one */
    uint32_t redirects;
    bool is_redirected; /* the next request follows the last answer */
    uint64_t connection_usec;
};

struct funkload {
    struct place *places; /* n_places, by user */
    size_t n_places;
    long duration_at; /* where the length of a cycle goes; -1: it is there, or can't be */
    char series[NAME_MAX_BYTES + 1]; /* texts of names, taken apart */
    char error[NAME_MAX_BYTES + 1];
};

/* ---- what the run is ---- */

static void put_config(FILE *file, const char *key, const char *value)
{
    (void)fputs("<config", file); /* failures stay with the stream, here and below */
    xml_put_attribute(file, "key", key);
    xml_put_attribute(file, "value", value);
    (void)fputs("/>\n", file);
}

static void put_url(FILE *file, const char *key, const char *url)
{
    char shown[SHOWN_BYTES];
    put_config(file, key, url ? shown_url(url, shown) : "");
}

/* "[10, 20, 30]" */
static void put_cycles(FILE *file, const struct output_run *run)
{
    (void)fputs("<config key=\"cycles\" value=\"[", file);
    for (unsigned i = 0; i < cycles_count(run->spec); i++) {
        (void)fprintf(file, "%s%u", i > 0 ? ", " : "", users_of(run, i));
    }
    (void)fputs("]\"/>\n", file);
}

static void put_duration(FILE *file, struct funkload *funkload, uint64_t usec)
{
    bool known = usec > 0;
    int used = 0;

    (void)fputs("<config key=\"duration\" value=\"", file);
    funkload->duration_at = known ? -1 : ftell(file);
    (void)fprintf(file, "%" PRIu64 "\"%n", MAX(usec / USEC_PER_SEC, UINT64_C(1)), &used);
    (void)fprintf(file, "%*s/>\n", known ? 0 : DURATION_BYTES - used, "");
}

/* From the interpreter's own name: "/usr/bin/python3.11" is 3.11. */
static void put_python(FILE *file, const struct run_spec *spec)
{
    _cleanup_free_ char *path = spec->python ? realpath(spec->python, NULL) : NULL;
    const char *name = path ? strrchr(path, '/') : NULL;
    const char *version = name ? name + strcspn(name, "0123456789") : "";

    if (*version) {
        put_config(file, "python_version", version);
    }
}

/* The test, of several the first: FunkLoad knows one. */
static void split_test(const struct run_spec *spec, char suite[static SPEC_NAME_BYTES],
                       const char **ret_method)
{
    run_spec_test_name(spec, suite);
    char *dot = strrchr(suite, '.');
    if (dot) {
        *dot = '\0';
    }
    *ret_method = dot ? dot + 1 : suite;
}

static void put_test(FILE *file, const struct run_spec *spec)
{
    char suite[SPEC_NAME_BYTES], module[sizeof spec->fqn.module];
    const char *method;

    split_test(spec, suite, &method);
    (void)snprintf(module, sizeof module, "%s", spec->fqn.module);
    for (char *c = module; *c; c++) {
        *c = *c == '/' ? '.' : *c;
    }
    put_config(file, "id", method);
    put_config(file, "class", suite);
    put_config(file, "class_title", spec->project_name ? spec->project_name : suite);
    put_config(file, "class_description", "A run of Loads " LOADS_VERSION);
    put_config(file, "module", spec->url ? "" : module);
    put_config(file, "method", method);
    if (spec->url) {
        put_url(file, "description", spec->url);
    } else {
        put_config(file, "description", run_spec_tests(spec));
    }
}

int funkload_begin(struct output *output, const struct output_run *run, struct error *error)
{
    const struct run_spec *spec = run->spec;
    char date[CLOCK_TEXT_BYTES], node[NODE_BYTES] = "";
    FILE *file = output->file;
    struct funkload *funkload = calloc(1, sizeof *funkload);

    if (!funkload) {
        return error_set_errno(error, -ENOMEM, "output funkload");
    }
    output->data = funkload;
    (void)clock_format_iso(run->started_usec, date);
    date[strcspn(date, "Z")] = '\0';
    (void)gethostname(node, sizeof node - 1); /* "" else */
    (void)fprintf(file,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<funkload version=\"1.17.1\" time=\"%s\">\n",
                  date);
    put_test(file, spec);
    put_config(file, "node", node);
    put_url(file, "server_url", spec->url ? spec->url : spec->server_url);
    put_cycles(file, run);
    put_config(file, "cycle_time", "0");
    put_duration(file, funkload, spec->duration_usec);
    put_config(file, "log_xml", output->path ? output->path : "-");
    put_config(file, "sleep_time", "0");
    put_config(file, "sleep_time_min", "0");
    put_config(file, "sleep_time_max", "0");
    put_config(file, "startup_delay", "0");
    put_config(file, "configuration_file", "");
    put_python(file, spec);
    return output_check(output, error);
}

/* ---- what happens ---- */

/* Of a user there can be in its cycle; NULL: there can't, or no memory. Stored detail comes ordered
 * by time, in which a request may be a microsecond before its test: so the iteration's number says
 * when another one begins. */
static struct place *find_place(struct funkload *funkload, const struct output_run *run,
                                const struct detail *detail)
{
    if (detail->cycle >= cycles_count(run->spec) || detail->user >= users_of(run, detail->cycle)) {
        return NULL;
    }
    if (detail->user >= funkload->n_places) {
        size_t n = MAX((size_t)detail->user + 1, 2 * funkload->n_places);
        struct place *places = realloc(funkload->places, n * sizeof *places);
        if (!places) {
            return NULL;
        }
        memset(places + funkload->n_places, 0, (n - funkload->n_places) * sizeof *places);
        funkload->places = places;
        funkload->n_places = n;
    }
    struct place *place = &funkload->places[detail->user];
    if (place->cycle != detail->cycle || place->iteration != detail->iteration) {
        *place = (struct place){.cycle = detail->cycle, .iteration = detail->iteration};
    }
    return place;
}

/* What both elements begin with. */
static void put_start(FILE *file, const struct output_run *run, const struct detail *detail,
                      const char *element)
{
    const char *test = names_text(run->names, NAME_TEST, detail->test);
    const char *dot = strrchr(test, '.');
    unsigned users = detail->cycle < cycles_count(run->spec) ? users_of(run, detail->cycle) : 0;

    (void)fprintf(file, "<%s cycle=\"%03" PRIu32 "\" cvus=\"%03u\" thread=\"%03" PRIu32 "\"",
                  element, detail->cycle, users, detail->user);
    xml_put_attribute_bytes(file, "suite", test, dot ? (size_t)(dot - test) : 0);
    xml_put_attribute(file, "name", dot ? dot + 1 : test);
}

static void put_times(FILE *file, uint64_t started_usec, uint64_t elapsed_usec)
{
    xml_put_attribute_format(file, "time", "%" PRIu64 ".%06u", started_usec / USEC_PER_SEC,
                             (unsigned)(started_usec % USEC_PER_SEC));
    xml_put_attribute_format(file, "duration", "%" PRIu64 ".%06u", elapsed_usec / USEC_PER_SEC,
                             (unsigned)(elapsed_usec % USEC_PER_SEC));
}

static bool redirects(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The place moves on. */
static void take_response(struct place *place, const struct detail *detail, unsigned status)
{
    if (place->is_redirected) {
        place->redirects++;
    } else {
        place->steps++;
        place->numbers = 0;
    }
    place->numbers++;
    place->connection_usec += detail->elapsed_usec;
    place->is_redirected = redirects(status);
}

static void put_type(FILE *file, const char *method, bool is_redirect)
{
    char lower[METHOD_BYTES];
    size_t i = 0;

    for (; method[i] && i + 1 < sizeof lower; i++) {
        lower[i] = (char)tolower((unsigned char)method[i]);
    }
    lower[i] = '\0';
    xml_put_attribute(file, "type", is_redirect ? "redirect" : lower);
}

static void put_response(FILE *file, struct funkload *funkload, const struct output_run *run,
                         const struct detail *detail)
{
    bool is_hit = detail->type == DETAIL_HIT;
    struct place nowhere = {.steps = 0}, *place = find_place(funkload, run, detail);
    struct series_key key;

    place = place ? place : &nowhere;
    bool is_redirect = place->is_redirected;
    series_key_parse(names_text(run->names, NAME_SERIES, detail->id), funkload->series, &key);
    take_response(place, detail, is_hit ? key.status : 0);
    put_start(file, run, detail, "response");
    xml_put_attribute_format(file, "step", "%03" PRIu32, place->steps);
    xml_put_attribute_format(file, "number", "%03" PRIu32, place->numbers);
    put_type(file, key.method, is_redirect);
    xml_put_attribute(file, "result",
                      !is_hit            ? "Error"
                      : key.status < 400 ? "Successful"
                                         : "Failure");
    xml_put_attribute_bytes(file, "url", detail->text ? detail->text : "",
                            detail->text ? detail->text_size : 0);
    xml_put_attribute_format(file, "code", "%d", is_hit ? (int)key.status : -1);
    xml_put_attribute(file, "description", key.name);
    put_times(file, detail->started_usec, detail->elapsed_usec);
    (void)fputs("/>\n", file);
}

/* One per line, as Python has them. */
static void put_traceback(FILE *file, struct funkload *funkload, const struct output_run *run,
                          const struct detail *detail)
{
    struct error_key key;

    error_key_parse(names_text(run->names, NAME_ERROR, detail->id), funkload->error, &key);
    (void)fputs(" traceback=\"", file);
    xml_put_text(file, key.traceback, strlen(key.traceback));
    xml_put_text(file, "\n", key.traceback[0] ? 1 : 0);
    xml_put_text(file, key.class, strlen(key.class));
    xml_put_text(file, ": ", 2);
    xml_put_text(file, key.message, strlen(key.message));
    if (key.place[0]) {
        xml_put_text(file, " (", 2);
        xml_put_text(file, key.place, strlen(key.place));
        xml_put_text(file, ")", 1);
    }
    (void)fputc('"', file);
}

static void put_result(FILE *file, struct funkload *funkload, const struct output_run *run,
                       const struct detail *detail)
{
    static const struct place nowhere;
    const struct place *place = find_place(funkload, run, detail);

    place = place ? place : &nowhere;
    put_start(file, run, detail, "testResult");
    put_times(file, detail->started_usec - MIN(detail->elapsed_usec, detail->started_usec),
              detail->elapsed_usec);
    xml_put_attribute(file, "result",
                      detail->type == DETAIL_SUCCESS   ? "Successful"
                      : detail->type == DETAIL_FAILURE ? "Failure"
                                                       : "Error");
    xml_put_attribute_format(file, "steps", "%" PRIu32, place->steps);
    xml_put_attribute_format(file, "connection_duration", "%" PRIu64 ".%06u",
                             place->connection_usec / USEC_PER_SEC,
                             (unsigned)(place->connection_usec % USEC_PER_SEC));
    xml_put_attribute_format(file, "requests", "%" PRIu32, place->steps + place->redirects);
    xml_put_attribute_format(file, "pages", "%" PRIu32, place->steps);
    xml_put_attribute_format(file, "redirects", "%" PRIu32, place->redirects);
    (void)fputs(" xmlrpc=\"0\" images=\"0\" links=\"0\"", file); /* nothing tells them apart */
    if (detail->type != DETAIL_SUCCESS) {
        put_traceback(file, funkload, run, detail);
    }
    (void)fputs("/>\n", file);
}

int funkload_detail(struct output *output, const struct output_run *run,
                    const struct detail *detail, struct error *error)
{
    struct funkload *funkload = output->data;

    switch (detail->type) {
    case DETAIL_HIT:
    case DETAIL_REQUEST_ERROR:
        put_response(output->file, funkload, run, detail);
        break;
    case DETAIL_SUCCESS:
    case DETAIL_FAILURE:
    case DETAIL_ERROR:
        put_result(output->file, funkload, run, detail);
        break;
    case DETAIL_START_TEST:
    case DETAIL_STOP_TEST: /* FunkLoad says nothing of iterations that were cut, nor of the rest */
    case DETAIL_INTERRUPTED:
    case DETAIL_COUNTER:
    case DETAIL_TYPES:
    default:
        break;
    }
    return output_check(output, error);
}

int funkload_end(struct output *output, const struct output_run *run, const struct summary *summary,
                 struct error *error)
{
    struct funkload *funkload = output->data;
    double sec = summary->duration_sec / cycles_count(run->spec);

    (void)fputs("</funkload>\n", output->file);
    if (funkload->duration_at >= 0 && fflush(output->file) == 0 &&
        fseek(output->file, funkload->duration_at, SEEK_SET) == 0) {
        (void)fprintf(output->file, "%.0f\"", MIN(MAX(sec, 1.0), 999999999.0));
        (void)fflush(output->file); /* a failure stays with the stream */
        (void)fseek(output->file, 0, SEEK_END);
    }
    return output_check(output, error);
}

void funkload_release(void *data)
{
    struct funkload *funkload = data;

    if (funkload) {
        free(funkload->places);
        free(funkload);
    }
}
