/* SPDX-License-Identifier: MPL-2.0 */
/* Whatever comes twice, too late or out of order, from a broker that was restarted or from a child,
 * is no entry of the table, and nothing happens. A run that ended or failed stays until the broker
 * has stored that, since it may have to be told again. */
#include "run_state.h"

#include "base/macros.h"

static const struct run_transition table[RUN_STATES][RUN_EVENTS] = {
    [RUN_NEW][RUN_ARCHIVE] = {RUN_FETCHING, RUN_FETCH},
    [RUN_NEW][RUN_COMPLETE] = {RUN_PREPARING, RUN_PREPARE},
    [RUN_NEW][RUN_CANT] = {RUN_FAILING, RUN_CLEAR},

    [RUN_FETCHING][RUN_COMPLETE] = {RUN_PREPARING, RUN_PREPARE},
    [RUN_FETCHING][RUN_CANT] = {RUN_FAILING, RUN_CLEAR},
    [RUN_FETCHING][RUN_STOP] = {RUN_ENDING, RUN_CLEAR},

    [RUN_PREPARING][RUN_PREPARED] = {RUN_STARTING, RUN_SUPERVISE},
    [RUN_PREPARING][RUN_CANT] = {RUN_FAILING, RUN_CLEAR},
    [RUN_PREPARING][RUN_STOP] = {RUN_ENDING, RUN_CLEAR},

    [RUN_STARTING][RUN_WORKERS_READY] = {RUN_READY, RUN_REPORT_READY},
    [RUN_STARTING][RUN_CANT] = {RUN_FAILING, RUN_CLEAR},
    [RUN_STARTING][RUN_FINISHED] = {RUN_FAILING, RUN_CLEAR},
    [RUN_STARTING][RUN_STOP] = {RUN_STOPPING, RUN_STOP_SUPERVISOR},

    [RUN_READY][RUN_START] = {RUN_READY, RUN_GO},
    [RUN_READY][RUN_BEGUN] = {RUN_RUNNING, RUN_NOTHING},
    [RUN_READY][RUN_FINISHED] = {RUN_ENDING, RUN_CLEAR},
    [RUN_READY][RUN_STOP] = {RUN_STOPPING, RUN_STOP_SUPERVISOR},

    [RUN_RUNNING][RUN_WORKERS_READY] = {RUN_READY, RUN_REPORT_READY},
    [RUN_RUNNING][RUN_FINISHED] = {RUN_ENDING, RUN_CLEAR},
    [RUN_RUNNING][RUN_STOP] = {RUN_STOPPING, RUN_STOP_SUPERVISOR},

    [RUN_STOPPING][RUN_STOP] = {RUN_STOPPING, RUN_STOP_SUPERVISOR},
    [RUN_STOPPING][RUN_FINISHED] = {RUN_ENDING, RUN_CLEAR},

    [RUN_ENDING][RUN_CLEARED] = {RUN_ENDED, RUN_REPORT_ENDED},
    [RUN_FAILING][RUN_CLEARED] = {RUN_FAILED, RUN_REPORT_FAILED},
};

struct run_transition run_state_after(enum run_state state, enum run_event event)
{
    struct run_transition transition = table[state][event];

    if (transition.action == RUN_IGNORE) {
        transition.next = state;
    }
    return transition;
}

const char *run_state_word(enum run_state state)
{
    switch (state) {
    case RUN_NEW:
    case RUN_FETCHING:
        return "fetching";
    case RUN_PREPARING:
    case RUN_STARTING:
    case RUN_FAILING:
        return "preparing";
    case RUN_READY:
        return "ready";
    case RUN_RUNNING:
        return "running";
    case RUN_STOPPING:
    case RUN_ENDING:
        return "stopping";
    case RUN_ENDED:
    case RUN_FAILED:
    case RUN_STATES:
        break;
    }
    return "ended";
}
