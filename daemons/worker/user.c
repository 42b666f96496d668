/* SPDX-License-Identifier: MPL-2.0 */
/* A virtual user as a coroutine: whatever it waits for, it suspends; what it waited for wakes it,
 * which only puts it into a queue. The queue is run when every library's call has returned: after
 * each answer, and in ev_prepare, before the loop waits for descriptors.
 *
 * An iteration can end from any depth. _Unwind_ForcedUnwind() goes up frame by frame and runs
 * cleanup attributes, as a C++ exception would, until the stop function sees the frame of
 * user_guard(), where it jumps. A frame's canonical address lies above all frames that it called;
 * so the first one whose address is above user_guard()'s frame pointer is user_guard() itself. */
#include "user.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "choice.h"
#include "stall.h"

static struct loads_user *current;
static bool exits_thread;
static bool is_forked;

struct loads_user *user_current(void)
{
    return current;
}

static void on_sleep_over(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    user_wake(timer->data);
}

static void on_forked(void)
{
    is_forked = true;
}

int user_watch_forks(void)
{
    return -pthread_atfork(NULL, NULL, on_forked);
}

bool user_is_forked(void)
{
    return is_forked;
}

bool user_exits_thread(void)
{
    return exits_thread;
}

void user_init(struct loads_user *user, struct worker *worker, unsigned index, unsigned iteration)
{
    user->worker = worker;
    user->index = index;
    user->number = worker->share.first_user + index;
    user->iteration = user->first_iteration = iteration;
    user->test = &worker->tests[0];
    choice_begin_life(user);
    arena_init(&user->arena, worker->arenas);
    ev_timer_init(&user->sleep, on_sleep_over, 0, 0);
    user->sleep.data = user;
}

/* ---- waiting and waking ---------------------------------------------------------------------- */

void user_wake(struct loads_user *user)
{
    struct worker *worker = user->worker;

    if (user->queued) {
        return;
    }
    user->queued = true;
    user->next = NULL;
    *worker->ready.last = user;
    worker->ready.last = &user->next;
    ev_idle_start(worker->loop, &worker->idle); /* the loop must not sleep over it */
}

static void resume(struct loads_user *user)
{
    user->queued = false;
    current = user;
    stall_begin(user);
    context_enter(&user->context);
    while (user->on_loop) {
        void (*function)(void *argument) = TAKE_PTR(user->on_loop);
        function(user->on_loop_argument);
        context_enter(&user->context);
    }
    stall_note(user);
    current = NULL;
}

void users_run_ready(struct worker *worker, void (*over)(struct loads_user *user))
{
    struct loads_user *user = worker->ready.first;

    /* Who becomes ready meanwhile waits for the next turn: descriptors come in between. */
    worker->ready = (struct user_queue){NULL, &worker->ready.first};
    ev_idle_stop(worker->loop, &worker->idle);
    while (user) {
        struct loads_user *next = user->next;
        resume(user);
        if (context_over(&user->context)) {
            over(user);
        }
        user = next;
    }
}

int user_wait(struct loads_user *user)
{
    assert(user == current);
    context_leave(&user->context);
    return user->cancelled ? -ECANCELED : 0;
}

void user_on_loop(struct loads_user *user, void (*function)(void *argument), void *argument)
{
    assert(user == current);
    user->on_loop = function;
    user->on_loop_argument = argument;
    context_leave(&user->context);
}

void user_cancel(struct loads_user *user)
{
    if (!user->cancelled) {
        user->cancelled = true;
        user_wake(user);
    }
}

int user_wait_until(struct loads_user *user, uint64_t until_usec)
{
    struct worker *worker = user->worker;
    uint64_t now = clock_monotonic_usec();

    ev_now_update(worker->loop); /* the timer counts from the loop's now, which may be old */
    ev_timer_set(&user->sleep, until_usec > now ? (double)(until_usec - now) / 1e6 : 0, 0);
    ev_timer_start(worker->loop, &user->sleep);
    int r = user_wait(user);
    ev_timer_stop(worker->loop, &user->sleep);
    return r;
}

int user_sleep(struct loads_user *user, double seconds)
{
    uint64_t until = clock_monotonic_usec() + (uint64_t)(seconds * 1e6);
    int r;

    do {
        r = user_wait_until(user, until);
    } while (r == 0 && clock_monotonic_usec() < until);
    return r;
}

bool user_stack_contains(const struct loads_user *user, const void *address)
{
    const char *base = user->stack.base;
    return base && (const char *)address >= base && (const char *)address < base + user->stack.size;
}

/* ---- leaving --------------------------------------------------------------------------------- */

static _Unwind_Reason_Code stop_at_base(int version _unused_, _Unwind_Action actions,
                                        _Unwind_Exception_Class class _unused_,
                                        struct _Unwind_Exception *exception _unused_,
                                        struct _Unwind_Context *frame, void *argument)
{
    struct loads_user *user = argument;

    if (actions & _UA_END_OF_STACK || _Unwind_GetCFA(frame) > user->base_frame) {
        longjmp(*user->base, 1);
    }
    return _URC_NO_REASON;
}

void user_leave(struct loads_user *user)
{
    user->leaving = true;
    memset(&user->unwind, 0, sizeof user->unwind);
    (void)_Unwind_ForcedUnwind(&user->unwind, stop_at_base, user); /* returns only when it can't */
    log_error("cannot unwind the stack of user %u: build the test with -fexceptions", user->number);
    abort();
}

/* Runs whenever user_guard() is unwound. When that isn't user_leave()'s doing, pthread_exit() takes
 * the worker's thread away: a crash, of which abort() tells. */
static void check_end(struct loads_user *volatile *guarded)
{
    if (*guarded && !(*guarded)->leaving) {
        exits_thread = true;
        abort();
    }
}

__attribute__((noinline)) bool user_guard(struct loads_user *user, void (*function)(void *argument),
                                          void *argument)
{
    __attribute__((cleanup(check_end))) struct loads_user *volatile guarded = user;
    jmp_buf *const outer = user->base;
    const uintptr_t outer_frame = user->base_frame;
    volatile bool returned = false;
    jmp_buf base;

    user->base = &base;
    user->base_frame = (uintptr_t)__builtin_frame_address(0);
    if (setjmp(base) == 0) {
        function(argument);
        returned = true;
    }
    guarded = NULL;
    if (is_forked) {
        _exit(EXIT_SUCCESS); /* whatever it was forked for is done */
    }
    user->base = outer;
    user->base_frame = outer_frame;
    user->leaving = false;
    return returned;
}

/* ---- starting -------------------------------------------------------------------------------- */

int user_start(struct loads_user *user, void (*life)(void *user), struct error *error)
{
    int r = stack_take(user->worker->stacks, &user->stack, error);
    if (r < 0) {
        return r;
    }
    context_make(&user->context, user->stack.base, user->stack.size, life, user);
    return 0;
}
