/* SPDX-License-Identifier: MPL-2.0 */
/* What comes twice, too late or out of order, from an agent that was lost, a client that asks
 * again, a broker that was restarted, is no entry of the table, and nothing happens. The last
 * states are entered when they are stored, so that who sees one finds it in the database. */
#include "run_table.h"

#include <string.h>

#include "base/macros.h"

static const struct run_transition table[RUN_STATES][RUN_EVENTS] = {
    [RUN_NEW][RUN_STORED] = {RUN_PREPARING, RUN_PREPARE},
    [RUN_NEW][RUN_WAITS] = {RUN_QUEUED, RUN_NOTHING},

    [RUN_QUEUED][RUN_AGENTS] = {RUN_PREPARING, RUN_PREPARE},
    [RUN_QUEUED][RUN_STOP] = {RUN_ENDING, RUN_ABORT},
    [RUN_QUEUED][RUN_GIVE_UP] = {RUN_ENDING, RUN_ABORT},

    [RUN_PREPARING][RUN_READY] = {RUN_RUNNING, RUN_BEGIN},
    [RUN_PREPARING][RUN_CANT] = {RUN_ENDING, RUN_FAIL},
    [RUN_PREPARING][RUN_STOP] = {RUN_STOPPING, RUN_HALT},
    [RUN_PREPARING][RUN_GIVE_UP] = {RUN_STOPPING, RUN_HALT},
    [RUN_PREPARING][RUN_OVER] = {RUN_ENDING, RUN_FAIL},
    [RUN_PREPARING][RUN_DESERTED] = {RUN_ENDING, RUN_ABORT},

    [RUN_RUNNING][RUN_READY] = {RUN_RUNNING, RUN_BEGIN},
    [RUN_RUNNING][RUN_CANT] = {RUN_STOPPING, RUN_HALT},
    [RUN_RUNNING][RUN_STOP] = {RUN_STOPPING, RUN_HALT},
    [RUN_RUNNING][RUN_GIVE_UP] = {RUN_STOPPING, RUN_HALT},
    [RUN_RUNNING][RUN_OVER] = {RUN_ENDING, RUN_FINISH},
    [RUN_RUNNING][RUN_DESERTED] = {RUN_ENDING, RUN_ABORT},

    [RUN_STOPPING][RUN_STOP] = {RUN_STOPPING, RUN_HALT},
    [RUN_STOPPING][RUN_OVER] = {RUN_ENDING, RUN_ABORT},
    [RUN_STOPPING][RUN_DESERTED] = {RUN_ENDING, RUN_ABORT},

    [RUN_ENDING][RUN_FINISHED_STORED] = {RUN_FINISHED, RUN_CLOSE},
    [RUN_ENDING][RUN_FAILED_STORED] = {RUN_FAILED, RUN_CLOSE},
    [RUN_ENDING][RUN_ABORTED_STORED] = {RUN_ABORTED, RUN_CLOSE},
};

static const char *const words[RUN_STATES] = {
    [RUN_NEW] = "queued",        [RUN_QUEUED] = "queued",     [RUN_PREPARING] = "preparing",
    [RUN_RUNNING] = "running",   [RUN_STOPPING] = "stopping", [RUN_ENDING] = "stopping",
    [RUN_FINISHED] = "finished", [RUN_FAILED] = "failed",     [RUN_ABORTED] = "aborted",
};

struct run_transition run_table_after(enum run_state state, enum run_event event)
{
    struct run_transition transition = table[state][event];

    if (transition.action == RUN_IGNORE) {
        transition.next = state;
    }
    return transition;
}

const char *run_state_word(enum run_state state)
{
    return words[state];
}

enum run_state run_state_of(const char *word)
{
    for (unsigned state = RUN_QUEUED; state < RUN_STATES; state++) {
        if (state != RUN_ENDING && strcmp(words[state], word) == 0) {
            return (enum run_state)state;
        }
    }
    return RUN_STATES;
}

bool run_state_is_over(enum run_state state)
{
    return state == RUN_FINISHED || state == RUN_FAILED || state == RUN_ABORTED;
}
