/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h: transactions. Each lies in a frame of the test's, from where its cleanup attribute
 * ends it however the block is left; the frames are linked from the innermost outwards, so that a
 * name is put together only when it is needed. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "record.h"

#define MAX_DEPTH  16
#define NAME_BYTES 512 /* "outer/inner" */

enum { NOT_BEGUN, IS_ON, IS_OVER, IS_NOBODYS };

static unsigned depth_of(const struct loads_transaction_ *transaction)
{
    unsigned depth = 0;

    for (; transaction; transaction = transaction->outer_) {
        depth++;
    }
    return depth;
}

static void begin(struct loads_transaction_ *transaction)
{
    loads_user *user = transaction->user_;
    char text[64];

    if (!transaction->name_ || transaction->name_[0] == '\0') {
        call_fail(user, ERROR_KIND_ERROR, "misuse", transaction->file_, transaction->line_,
                  "a transaction has no name");
    }
    if (depth_of(user->transaction) == MAX_DEPTH) {
        (void)snprintf(text, sizeof text, "transactions are nested more than %d deep", MAX_DEPTH);
        call_fail(user, ERROR_KIND_ERROR, "misuse", transaction->file_, transaction->line_, text);
    }
    transaction->outer_ = user->transaction;
    user->transaction = transaction;
    transaction->state_ = IS_ON;
    transaction->started_usec_ = clock_monotonic_usec();
}

bool loads_transaction_begin_(struct loads_transaction_ *transaction)
{
    if (transaction->state_ != NOT_BEGUN) {
        return false;
    }
    if (call_allowed(transaction->user_)) {
        begin(transaction);
    } else {
        transaction->state_ = IS_NOBODYS; /* its block is executed, and not timed */
    }
    return true;
}

/* Puts the names together from the outermost inwards, from the end of a buffer to its beginning; of
 * what is too long the beginning is missing. */
static const char *name_of(const struct loads_transaction_ *transaction,
                           char buffer[static NAME_BYTES])
{
    size_t at = NAME_BYTES - 1;

    buffer[at] = '\0';
    for (; transaction; transaction = transaction->outer_) {
        size_t size = MIN(strlen(transaction->name_), at);
        if (buffer[at] && at > 0) {
            buffer[--at] = '/';
            size = MIN(size, at);
        }
        at -= size;
        memcpy(buffer + at, transaction->name_, size);
    }
    return buffer + at;
}

static void end(struct loads_transaction_ *transaction)
{
    uint64_t elapsed_usec = clock_monotonic_usec() - transaction->started_usec_;
    loads_user *user = transaction->user_;
    char buffer[NAME_BYTES];

    transaction->state_ = IS_OVER;
    user->transaction = transaction->outer_;
    const char *name = name_of(transaction, buffer);
    if (!user->leaving) {
        record_time(user, TIMER_TRANSACTION, name, elapsed_usec);
    } else if (!user->cancelled) {
        record_timer_error(user, TIMER_TRANSACTION, name);
    }
}

void loads_transaction_end_(struct loads_transaction_ *transaction)
{
    if (transaction->state_ == IS_ON) {
        end(transaction);
    }
}
