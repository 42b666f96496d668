/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h: rows of data. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "call.h"
#include "feeder.h"
#include "iteration.h"

#define MAX_LISTED_BYTES 1000

struct loads_row {
    const char *path; /* of its file */
    struct data_row data;
};

static void fail(const char *file, int line, loads_user *user, const char *text)
    __attribute__((noreturn));
static void fail(const char *file, int line, loads_user *user, const char *text)
{
    call_fail(user, ERROR_KIND_ERROR, "feeder", file, line, text);
}

/* It isn't an error, nor is it a success. */
static void stop_user(loads_user *user, const char *text)
{
    struct worker *worker = user->worker;

    if (!worker->said_used_up) { /* not for each of a thousand users */
        worker->said_used_up = true;
        log_notice("user %u stops, and so will others: %s", user->number, text);
    }
    user->stopped = true;
    iteration_judge(user, OUTCOME_INTERRUPTED, 0);
    user_leave(user);
}

const loads_row *loads_feed_(const char *file, int line, loads_user *user, loads_feeder *feeder)
{
    static const loads_row none = {.path = "", .data = {.text = ""}};
    struct error error;

    if (!call_allowed(user)) {
        return &none;
    }
    loads_row *row = arena_alloc(&user->arena, sizeof *row);
    int r = row ? feeder_next(user, feeder, &row->data, &error)
                : error_set_errno(&error, -ENOMEM, "%s", feeder->path);
    if (r == -ENODATA && feeder_at_end(feeder) == LOADS_STOP) {
        stop_user(user, error.text);
    }
    if (r < 0) {
        fail(file, line, user, error.text);
    }
    row->path = feeder->path;
    return row;
}

/* What there is instead, as much as fits. */
static void fail_without(const char *file, int line, loads_user *user, const loads_row *row,
                         const char *name)
{
    char text[MAX_LISTED_BYTES + 600];
    int n = snprintf(text, sizeof text, "%.200s: row %" PRIu64 " has no '%.200s'; it has",
                     row->path, row->data.number, name);
    size_t used = (size_t)n;

    for (size_t i = 0; i < row->data.count && used < MAX_LISTED_BYTES; i++) {
        n = snprintf(text + used, sizeof text - used, "%s %.100s", i > 0 ? "," : "",
                     row->data.names[i]);
        used += (size_t)n;
    }
    (void)snprintf(text + used, sizeof text - used, "%s", /* both fit */
                   row->data.count == 0       ? " nothing"
                   : used >= MAX_LISTED_BYTES ? ", …"
                                              : "");
    fail(file, line, user, text);
}

const char *loads_value_(const char *file, int line, const loads_row *row, const char *name)
{
    for (size_t i = 0; i < row->data.count; i++) {
        if (strcmp(row->data.names[i], name) == 0) {
            return row->data.values[i];
        }
    }
    loads_user *user = call_user();
    if (user) {
        fail_without(file, line, user, row, name);
    }
    return "";
}

const char *loads_row_text(const loads_row *row)
{
    return row->data.text;
}

uint64_t loads_row_number(const loads_row *row)
{
    return row->data.number;
}
