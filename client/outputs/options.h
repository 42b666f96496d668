/* SPDX-License-Identifier: MPL-2.0 */
/* What outputs can be told, as --output-NAME-OPTION: rows that every program with --output has. */
#ifndef LOADS_OUTPUTS_OPTIONS_H
#define LOADS_OUTPUTS_OPTIONS_H

#include <stdint.h>

#include "base/conf.h"

struct output_options {
    /* Where the file goes when --output NAME says no FILE; NULL: standard output. */
    char *csv_filename, *file_filename, *funkload_filename, *hdr_filename, *html_filename;
    char *json_filename, *junit_filename, *prometheus_filename;

    uint64_t exec_timeout_usec; /* how long its program may neither read nor end */
    char *html_title;           /* NULL: what is tested */
    char *junit_suite;          /* NULL: what is tested */
    char *prometheus_prefix;    /* of the names of metrics; NULL: "loads_" */
};

#define OUTPUT_EXEC_TIMEOUT_USEC UINT64_C(10000000)

extern const struct conf_rows output_option_rows;

/* What an option is when nobody says. */
void output_options_init(struct output_options *options);

#endif
