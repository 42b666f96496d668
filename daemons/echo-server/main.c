/* SPDX-License-Identifier: MPL-2.0 */
/* loads-echo-server: something to load for who has nothing to load yet, and for trying out a
 * distributed run. Options and wiring; what it does is in server.c, http.c and websocket.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "server.h"

#define PROGRAM      "loads-echo-server"
#define DEFAULT_PORT 9000
#define EXIT_USAGE   2

/* More than one machine's ports can connect; libwebsockets takes memory for as many as there may
 * be. */
#define MAX_DESCRIPTORS 131072

static const char help[] =
    "Usage: " PROGRAM " [OPTION]...\n"
    "A small HTTP and WebSocket server that answers with what it is sent: something to\n"
    "try a load test on. It listens on this machine's loopback address unless told\n"
    "otherwise, and runs until it is interrupted.\n"
    "\n"
    "  --host ADDRESS  listen on this address or name (127.0.0.1); 0.0.0.0 and :: are all\n"
    "                  addresses of this machine: anyone who can reach it can use it then\n"
    "  --port N        listen on this port (9000); 0 is any free one; can be given up to\n"
    "                  64 times\n"
    "  --help          show this and exit\n"
    "  --version       show the version and exit\n"
    "\n"
    "When it listens on all of its ports it writes one line for each to standard output:\n"
    "\n"
    "  Listening on http://127.0.0.1:9000/ and ws://127.0.0.1:9000/ws\n"
    "\n"
    "What it serves:\n"
    "  /        GET, HEAD: a short text\n"
    "  /echo    POST, PUT, PATCH: the request's body (at most 16 MiB, with a\n"
    "           Content-Length) and its content type; GET: the query, decoded\n"
    "  /ws      a WebSocket that sends text and binary messages of any size back, with the\n"
    "           sub-protocol chat, http-only, or none. Who sends more than 16 MiB without\n"
    "           reading has to wait until it reads\n"
    "  /counts  GET, HEAD: what it has counted of WebSockets, as JSON\n"
    "All else is answered 404. Idle connections are kept for as long as their client lives.\n"
    "\n"
    "Started by systemd it reports when it is ready (Type=notify). Only warnings and errors\n"
    "are logged, to standard error or the journal.\n"
    "\n"
    "Exit status: 0 after SIGINT or SIGTERM, 1 when it can't listen, 2 for wrong options.\n";

struct options {
    const char *host;
    unsigned ports[SERVER_MAX_PORTS];
    size_t n_ports;
    bool done; /* --help or --version was answered */
};

static int parse_port(const char *text, struct options *options, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || port > 65535) {
        return error_set(error, -EINVAL, "--port %s: a port is a number from 0 to 65535", text);
    }
    if (options->n_ports == ELEMENTSOF(options->ports)) {
        return error_set(error, -EINVAL, "--port can be given %zu times at most",
                         ELEMENTSOF(options->ports));
    }
    options->ports[options->n_ports++] = (unsigned)port;
    return 0;
}

static int parse_option(int option, char *const *argv, struct options *options, struct error *error)
{
    switch (option) {
    case 'h':
        options->done = true;
        return fputs(help, stdout) < 0 ? error_set(error, -EIO, "Can't write to stdout") : 0;
    case 'v':
        options->done = true;
        return puts(PROGRAM " " LOADS_VERSION) < 0 ? error_set(error, -EIO, "Can't write to stdout")
                                                   : 0;
    case 'H':
        options->host = optarg;
        return 0;
    case 'p':
        return parse_port(optarg, options, error);
    case ':':
        return error_set(error, -EINVAL, "%s needs a value; see --help", argv[optind - 1]);
    default:
        return error_set(error, -EINVAL, "Unknown option %s; see --help", argv[optind - 1]);
    }
}

static int parse_options(int argc, char **argv, struct options *options, struct error *error)
{
    static const struct option table[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {0},
    };
    int option;

    opterr = 0;
    while (!options->done && (option = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        int result = parse_option(option, argv, options, error);
        if (result < 0) {
            return result;
        }
    }
    if (!options->done && optind < argc) {
        return error_set(error, -EINVAL, "Unknown argument %s; see --help", argv[optind]);
    }
    if (options->n_ports == 0) {
        options->ports[options->n_ports++] = DEFAULT_PORT;
    }
    return 0;
}

/* Every connection is a descriptor. */
static void set_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = MIN(limit.rlim_max, MAX_DESCRIPTORS);
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then it is what it was */
    }
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static int serve(struct ev_loop *loop, const struct options *options, struct error *error)
{
    _cleanup_(server_freep) struct server *server = NULL;
    ev_signal interrupt, terminate;

    int result = server_new(&server, loop, error);
    for (size_t i = 0; result == 0 && i < options->n_ports; i++) {
        result = server_listen(server, options->host, options->ports[i], error);
    }
    if (result < 0) {
        return result;
    }
    ev_signal_init(&interrupt, on_signal, SIGINT);
    ev_signal_start(loop, &interrupt);
    ev_signal_init(&terminate, on_signal, SIGTERM);
    ev_signal_start(loop, &terminate);
    result = server_announce(server);
    if (result < 0) {
        return error_set_errno(error, result, "Can't write to stdout");
    }
    (void)sd_notify(0, "READY=1"); /* whoever started it sees that it serves */
    ev_run(loop, 0);
    ev_signal_stop(loop, &interrupt);
    ev_signal_stop(loop, &terminate);
    return 0;
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
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    set_descriptor_limit();
    (void)signal(SIGPIPE, SIG_IGN); /* a client that is gone is seen where it is written to */
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
