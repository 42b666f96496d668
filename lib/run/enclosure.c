/* SPDX-License-Identifier: MPL-2.0 */
/* The kernel kills a cgroup at once, but some take a while to go (much memory to give back, a disk
 * to wait for), so that it is looked at some times a second until it is empty: a watch on its file
 * of events would want descriptors when there may be none. */
#include "run/enclosure.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

#define LOOK_SEC 0.02

struct enclosure {
    struct ev_loop *loop;
    struct orphans *orphans; /* without a cgroup */
    char *cgroup;            /* NULL: there is none, or it is removed */
    struct cgroup_usage usage;
    ev_timer look;
    uint64_t deadline_usec;
    void (*done)(int result, const struct error *error, void *context); /* NULL: nobody waits */
    void *context;
};

static void conclude(struct enclosure *enclosure, struct error *error)
{
    ev_timer_stop(enclosure->loop, &enclosure->look);
    enclosure->done(error->code, error->code < 0 ? error : NULL, enclosure->context);
}

/* Takes note of what it used, as long as somebody knows. */
static void drop_cgroup(struct enclosure *enclosure, struct error *error)
{
    cgroup_usage(enclosure->cgroup, &enclosure->usage);
    int r = cgroup_remove(enclosure->cgroup);
    if (r < 0) {
        error_set_errno(error, r, "cannot remove cgroup %s", enclosure->cgroup);
    }
    free(enclosure->cgroup);
    enclosure->cgroup = NULL;
}

/* Whoever comes to live in it meanwhile is killed, too. */
static void on_look(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct enclosure *enclosure = timer->data;
    struct error error = {0};

    if (!enclosure->cgroup) {
        conclude(enclosure, &error);
        return;
    }
    int r = cgroup_kill(enclosure->cgroup);
    if (!cgroup_is_populated(enclosure->cgroup)) {
        drop_cgroup(enclosure, &error);
        conclude(enclosure, &error);
    } else if (clock_monotonic_usec() >= enclosure->deadline_usec) {
        error_set_errno(&error, r < 0 ? r : -ETIMEDOUT, "cannot end all of cgroup %s",
                        enclosure->cgroup);
        conclude(enclosure, &error);
    }
}

static void on_orphans_gone(unsigned left, void *context)
{
    struct enclosure *enclosure = context;
    struct error error = {0};

    enclosure->orphans = NULL; /* those that come now are another run's */
    if (left > 0) {
        error_set(&error, -ETIMEDOUT, "cannot end all processes of the run: %u are left", left);
    }
    conclude(enclosure, &error);
}

/* ---- from outside ---------------------------------------------------------------------------- */

int enclosure_new(struct enclosure **ret, struct ev_loop *loop,
                  const struct enclosure_options *options, struct error *error)
{
    _cleanup_(enclosure_freep) struct enclosure *enclosure = calloc(1, sizeof *enclosure);
    int r = 0;

    if (!enclosure) {
        return error_set_errno(error, -ENOMEM, "cannot look after processes");
    }
    enclosure->loop = loop;
    ev_timer_init(&enclosure->look, on_look, 0, LOOK_SEC);
    enclosure->look.data = enclosure;
    if (options->parent) {
        r = cgroup_make(&enclosure->cgroup, options->parent, options->name, error);
        if (r == 0) {
            r = cgroup_limit(enclosure->cgroup, options->limits, error);
        }
    } else {
        enclosure->orphans = options->orphans;
    }
    if (r == 0) {
        *ret = TAKE_PTR(enclosure);
    }
    return r;
}

const char *enclosure_cgroup(const struct enclosure *enclosure)
{
    return enclosure->cgroup;
}

void enclosure_end(struct enclosure *enclosure,
                   void (*done)(int result, const struct error *error, void *context),
                   void *context)
{
    enclosure->done = done;
    enclosure->context = context;
    if (enclosure->orphans) {
        orphans_end(enclosure->orphans, on_orphans_gone, enclosure);
    } else {
        enclosure->deadline_usec = clock_monotonic_usec() + CGROUP_PATIENCE_USEC;
        ev_now_update(enclosure->loop);
        ev_timer_start(enclosure->loop, &enclosure->look);
    }
}

void enclosure_usage(const struct enclosure *enclosure, struct cgroup_usage *ret)
{
    *ret = enclosure->usage;
}

static void end_now(struct enclosure *enclosure)
{
    struct error error;

    if (enclosure->orphans) {
        (void)orphans_end_now(enclosure->orphans); /* nobody is there to be told */
    } else if (enclosure->cgroup && cgroup_kill(enclosure->cgroup) == 0 &&
               cgroup_await_empty(enclosure->cgroup, CGROUP_PATIENCE_USEC) == 0) {
        drop_cgroup(enclosure, &error);
    }
}

struct enclosure *enclosure_free(struct enclosure *enclosure)
{
    if (enclosure) {
        ev_timer_stop(enclosure->loop, &enclosure->look);
        end_now(enclosure);
        free(enclosure->cgroup);
        free(enclosure);
    }
    return NULL;
}
