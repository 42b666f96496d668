/* SPDX-License-Identifier: MPL-2.0 */
/* loads-test-target: an HTTP/1.1 server that does what each request asks it to, also what no sane
 * server does, and counts what it did. Tests compare these counts with what a client reports; so it
 * shares no code with the clients it judges. Options and wiring. The files in reading order:
 * request.c (what came), behaviours.c and plan.c (what it asks for), answer.c and script.c (the
 * bytes), connection.c (when), counts.c (what happened), server.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "plan.h"
#include "script.h"
#include "server.h"

#define PROGRAM    "loads-test-target"
#define EXIT_USAGE 2

static const char help_head[] =
    "Usage: " PROGRAM " [OPTION]...\n"
    "An HTTP/1.1 server for tests. It writes \"port N\" to standard output when it listens,\n"
    "and runs until SIGTERM or SIGINT.\n"
    "\n"
    "  --host ADDRESS     listen on this address (127.0.0.1)\n"
    "  --port N           listen on this port (0: any free one)\n"
    "  --access-log FILE  a line per completed answer: METHOD PATH STATUS BYTES ELAPSED_USEC;\n"
    "                     all bytes, head included; from the request's last byte read to the\n"
    "                     answer's last byte handed to the kernel\n"
    "  --counts FILE      at the end, write there what /-/counts would answer\n"
    "  --help, --version  show this, or the version, and exit\n"
    "\n"
    "A path is a row of behaviours, /NAME or /NAME/VALUE one after the other, and so is the\n"
    "query: ?NAME=VALUE&NAME. /status/503/delay/50 is /any?status=503&delay=50. What begins\n"
    "with _ in the query means nothing.\n"
    "\n";

static const char help_raw[] =
    "\n"
    "Behind /raw/, all with the same bytes each time, whatever the request's method:\n"
    "\n";

static const char help_tail[] =
    "\n"
    "  /-/counts        what was done, as JSON: connections accepted and open, requests read,\n"
    "                   answers completed (their last byte handed to the kernel), resets sent,\n"
    "                   answers cut on purpose, abandoned by the client, and bad requests;\n"
    "                   also by status, and by path (without query) and status\n"
    "  /-/reset-counts  the same, all zero again but for the open connections\n"
    "  /-/release       the same, and /held waits no more\n"
    "Requests to these aren't counted, nor connections whose first request they are.\n"
    "\n"
    "Exit status: 0 after a signal, 1 when it can't listen or write a file, 2 for wrong\n"
    "options.\n";

struct options {
    const char *host, *access_log, *counts;
    unsigned port;
    bool done; /* --help or --version was answered */
};

static void show_help(void)
{
    (void)fputs(help_head, stdout); /* whether it was written is asked at the end */
    for (const struct behaviour *b = behaviours; b->name; b++) {
        char usage[64];
        (void)snprintf(usage, sizeof usage, "/%s%s%s", b->name, b->value ? "/" : "",
                       b->value ? b->value : "");
        (void)printf("  %-24s %s\n", usage, b->help); /* as above */
    }
    (void)fputs(help_raw, stdout); /* as above */
    for (const struct script *s = scripts; s->name; s++) {
        (void)printf("  %-24s %s\n", s->name, s->help); /* as above */
    }
    (void)fputs(help_tail, stdout); /* as above */
}

static int parse_port(const char *text, struct options *options, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || port > 65535) {
        return error_set(error, -EINVAL, "--port %s: a port is a number from 0 to 65535", text);
    }
    options->port = (unsigned)port;
    return 0;
}

static int parse_options(int argc, char **argv, struct options *options, struct error *error)
{
    static const struct option table[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {"access-log", required_argument, NULL, 'a'},
        {"counts", required_argument, NULL, 'c'},
        {0},
    };
    int option, result = 0;

    opterr = 0;
    while (result == 0 && !options->done &&
           (option = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        switch (option) {
        case 'h':
            show_help();
            options->done = true;
            break;
        case 'v':
            (void)puts(PROGRAM " " LOADS_VERSION); /* asked for at the end */
            options->done = true;
            break;
        case 'H':
            options->host = optarg;
            break;
        case 'p':
            result = parse_port(optarg, options, error);
            break;
        case 'a':
            options->access_log = optarg;
            break;
        case 'c':
            options->counts = optarg;
            break;
        default:
            result = error_set(error, -EINVAL, "%s %s; see --help",
                               option == ':' ? "A value is missing:" : "Unknown option",
                               argv[optind - 1]);
        }
    }
    if (result == 0 && !options->done && optind < argc) {
        return error_set(error, -EINVAL, "Unknown argument %s; see --help", argv[optind]);
    }
    return result;
}

/* Every connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then it is what it was */
    }
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static int write_counts(struct server *server, const char *path, struct error *error)
{
    _cleanup_free_ char *text = counts_dump(server_counts(server));
    FILE *file = text ? fopen(path, "we") : NULL;

    if (!text) {
        return error_set_errno(error, -ENOMEM, "--counts %s", path);
    }
    if (!file) {
        return error_set_errno(error, -errno, "--counts %s", path);
    }
    int written = fprintf(file, "%s\n", text);
    if (fclose(file) != 0 || written < 0) {
        return error_set_errno(error, -errno, "--counts %s", path);
    }
    return 0;
}

static int serve(struct ev_loop *loop, const struct options *options, struct error *error)
{
    _cleanup_(server_freep) struct server *server = NULL;
    ev_signal interrupt, terminate;

    int result =
        server_new(&server, loop, options->host, options->port, options->access_log, error);
    if (result < 0) {
        return result;
    }
    ev_signal_init(&interrupt, on_signal, SIGINT);
    ev_signal_start(loop, &interrupt);
    ev_signal_init(&terminate, on_signal, SIGTERM);
    ev_signal_start(loop, &terminate);
    if (printf("port %u\n", server_port(server)) < 0 || fflush(stdout) != 0) {
        return error_set_errno(error, -errno, "Can't write to stdout");
    }
    ev_run(loop, 0);
    ev_signal_stop(loop, &interrupt);
    ev_signal_stop(loop, &terminate);
    return options->counts ? write_counts(server, options->counts, error) : 0;
}

int main(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1"};
    struct error error = {0};

    log_open(PROGRAM, LOG_WARNING);
    if (parse_options(argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    if (options.done) {
        return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    raise_descriptor_limit();
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    if (!loop) {
        log_error("libev can't make an event loop here");
        return EXIT_FAILURE;
    }
    int result = serve(loop, &options, &error);
    if (result < 0) {
        log_error("%s", error.text);
    }
    ev_loop_destroy(loop);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
