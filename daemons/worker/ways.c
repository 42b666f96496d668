/* SPDX-License-Identifier: MPL-2.0 */
/* Rules are few, and looked at one after the other. That a source address is this machine's is
 * found out before the run starts, on each agent. */
#include "ways.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/proxy.h"

static int read_rules(struct worker *worker, struct error *error)
{
    const struct strlist *list = &worker->spec->http.resolve;

    worker->rules = calloc(MAX(list->count, (size_t)1), sizeof *worker->rules);
    if (!worker->rules) {
        return error_set_errno(error, -ENOMEM, "cannot set up");
    }
    for (size_t i = 0; i < list->count; i++) {
        int r = spec_http_parse_resolve(list->items[i], &worker->rules[i], error);
        if (r < 0) {
            return r;
        }
        worker->n_rules++;
    }
    return 0;
}

static int try_source(const char *address, struct error *error)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.v6 = {.sin6_family = AF_INET6}};
    socklen_t size = sizeof name.v6;

    if (inet_pton(AF_INET6, address, &name.v6.sin6_addr) != 1) {
        name.v4 = (struct sockaddr_in){.sin_family = AF_INET};
        size = sizeof name.v4;
        (void)inet_pton(AF_INET, address, &name.v4.sin_addr); /* it was checked */
    }
    _cleanup_fd_ int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || bind(fd, &name.any, size) < 0
               ? error_set_errno(error, -errno, "cannot connect from --source-address %s", address)
               : 0;
}

static int read_sources(struct worker *worker, struct error *error)
{
    const char *text = worker->spec->http.source_address;
    size_t most = 1;
    int r = 0;

    if (!text) {
        return 0;
    }
    for (const char *at = text; *at; at++) {
        most += *at == ',';
    }
    worker->sources = calloc(most, sizeof *worker->sources);
    if (!worker->sources) {
        return error_set_errno(error, -ENOMEM, "cannot set up");
    }
    while (worker->n_sources < most &&
           (r = spec_http_next_address(&text, worker->sources[worker->n_sources], error)) > 0) {
        r = try_source(worker->sources[worker->n_sources++], error);
        if (r < 0) {
            return r;
        }
    }
    return r;
}

int ways_open(struct worker *worker, struct error *error)
{
    const struct spec_http *http = &worker->spec->http;
    int r = http->proxy ? proxy_new(&worker->proxy, http->proxy, error) : 0;

    worker->connections = spec_http_connections(http);
    if (r == 0) {
        r = read_rules(worker, error);
    }
    return r == 0 ? read_sources(worker, error) : r;
}

void ways_close(struct worker *worker)
{
    worker->proxy = proxy_free(worker->proxy);
    free(worker->rules);
    free(worker->sources);
}

const struct proxy *ways_proxy(const struct worker *worker, const char *host)
{
    return worker->proxy && !proxy_leaves_out(worker->spec->http.no_proxy, host) ? worker->proxy
                                                                                 : NULL;
}

const struct spec_resolve *ways_rule(const struct worker *worker, const char *host, unsigned port)
{
    for (size_t i = 0; i < worker->n_rules; i++) {
        const struct spec_resolve *rule = &worker->rules[i];
        if (rule->port == port && (strcmp(rule->host, host) == 0 || strcmp(rule->host, "*") == 0)) {
            return rule;
        }
    }
    return NULL;
}

const char *ways_source(const struct loads_user *user)
{
    const struct worker *worker = user->worker;

    return worker->n_sources > 0 ? worker->sources[user->number % worker->n_sources] : NULL;
}

struct ws_client_options ways_ws_options(const struct worker *worker)
{
    const struct run_spec *spec = worker->spec;

    return (struct ws_client_options){.ca_file = spec->ca_file,
                                      .cert_file = spec->http.cert_file,
                                      .key_file = spec->http.key_file,
                                      .tls_min = spec_http_tls_min(&spec->http),
                                      .insecure = spec->insecure};
}
