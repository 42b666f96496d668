/* SPDX-License-Identifier: MPL-2.0 */
/* The service of a unit with Delegate=yes has its cgroup for itself. All else is somebody's: a
 * session's, a container's, a unit's whose program has started us, perhaps several of us; there
 * nothing is made or moved, even where it could be. */
#include "confinement.h"

#include <errno.h>

#include "base/log.h"

/* The options, by controller. */
static const char *const names[CGROUP_CONTROLLERS] = {[CGROUP_MEMORY] = "run-memory-max",
                                                      [CGROUP_PIDS] = "run-pids-max",
                                                      [CGROUP_CPU] = "run-cpu-max"};

static void tell_missing(const struct confinement *confinement, const struct cgroup_limits *limits)
{
    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (!cgroup_limits_have(limits, i)) {
            continue;
        }
        if (!confinement->cgroup) {
            log_warning("%s can't be set: this agent has no cgroup for itself, as a unit's with "
                        "Delegate=yes has",
                        names[i]);
        } else if (!cgroup_gives(confinement->cgroup, i)) {
            log_warning("%s can't be set: %s has no %s controller to give", names[i],
                        confinement->cgroup, cgroup_controller_name(i));
        }
    }
}

int confinement_begin(struct confinement *confinement, struct ev_loop *loop,
                      const struct cgroup_limits *limits, struct error *error)
{
    _cleanup_free_ char *path = NULL;
    struct error reason;

    int r = cgroup_find(&path);
    if (r == -ENOMEM) {
        return error_set_errno(error, r, "cannot start");
    }
    if (r == 0 && cgroup_is_ours(path)) {
        if (cgroup_settle(path, &reason) == 0) {
            confinement->cgroup = TAKE_PTR(path);
        } else {
            log_warning("runs have no cgroups: %s", reason.text);
        }
    }
    if (!confinement->cgroup) {
        r = orphans_new(&confinement->orphans, loop, error);
        if (r < 0) {
            return r;
        }
    }
    tell_missing(confinement, limits);
    confinement->options = (struct enclosure_options){
        .parent = confinement->cgroup, .limits = limits, .orphans = confinement->orphans};
    return 0;
}

void confinement_clear(struct confinement *confinement)
{
    orphans_free(confinement->orphans);
    free(confinement->cgroup);
}
