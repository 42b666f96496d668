/* SPDX-License-Identifier: MPL-2.0 */
/* Switching between the loop's stack and that of a coroutine, and back. Two implementations, one of
 * which is linked: context_fcontext.c, context_ucontext.c. They know nothing of what runs inside.
 */
#ifndef LOADS_WORKER_CONTEXT_H
#define LOADS_WORKER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* One coroutine. Must stay where it is from context_make() to its end. Private to the
 * implementations. */
struct context {
    void *inside;  /* where it goes on */
    void *outside; /* where the loop goes on */
    void (*entry)(void *argument);
    void *argument;
    const void *stack_base;
    size_t stack_size;
    bool over;

    /* AddressSanitizer's. */
    void *inside_fake_stack, *outside_fake_stack;
    const void *outside_base;
    size_t outside_size;
};

/* Prepares a coroutine on a stack (low end and size) that it borrows to its end; nothing runs yet.
 * When entry() returns, the coroutine is over. A context that was entered has to be brought to its
 * end before its stack is given back. */
void context_make(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *argument), void *argument);

/* Runs it until it leaves or ends. From the loop's side only, never from inside a coroutine, never
 * on one that is over. */
void context_enter(struct context *context);

/* Goes back to where context_enter() was called; returns when it is entered again. From inside
 * only. */
void context_leave(struct context *context);

/* Whether entry() has returned. */
bool context_over(const struct context *context);

#endif
