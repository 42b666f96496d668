/* SPDX-License-Identifier: MPL-2.0 */
/* The options of loads-broker. */
#ifndef LOADS_BROKER_OPTIONS_H
#define LOADS_BROKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "run/observer_options.h"

#define BROKER_FILE        "/etc/loads/broker.conf"
#define MAX_UPLOAD_BYTES   (UINT64_C(1) << 30) /* what max-upload can be */
#define DEFAULT_MAX_UPLOAD (UINT64_C(64) << 20)

struct broker_options {
    struct strlist frontend, backend, receiver, publisher; /* addresses */
    struct strlist introduction;                           /* addresses */
    struct strlist agents;                                 /* addresses of control sockets */
    char *database;
    uint64_t max_upload_bytes;
    uint64_t retention_days; /* 0: for ever */
    bool allow_insecure;
    char *key, *keys_dir;              /* a file; a directory */
    struct strlist local_roles;        /* WHO:ROLE */
    struct observer_options observers; /* of every run, and defaults */
    struct strlist observer_callables;
    char *observer_dir, *observer_ca_file; /* NULL: not given */
    uint64_t observer_timeout_usec;
    bool observer_servers_fixed; /* runs can't choose any */
    char *web_root;              /* NULL: there are no pages of runs */
    int log_level;               /* LOG_ERR … LOG_DEBUG */
    char *config;
    bool check, help, version;
};

extern const struct conf_table broker_table;

/* From files and command line. What is not given has its default, addresses included. -errno with a
 * text. Clear them in either case. */
int broker_options_parse(int argc, char *const argv[], struct broker_options *ret,
                         struct error *error) _must_check_;
void broker_options_clear(struct broker_options *options);

/* The addresses of a socket by its name: "frontend", … NULL: there is none of that name. */
#define BROKER_SOCKETS 4
extern const char *const broker_socket_names[BROKER_SOCKETS];
struct strlist *broker_options_addresses(struct broker_options *options, const char *name);

/* What may be told of an option: its value as text, as in a file. `text` gets lists one value per
 * line. Malloc'ed, the caller's. */
int broker_option_text(const struct broker_options *options, const struct conf_option *option,
                       char **ret) _must_check_;

#endif
