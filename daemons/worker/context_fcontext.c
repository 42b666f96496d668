/* SPDX-License-Identifier: MPL-2.0 */
/* Switching with Boost.Context's assembler routines: some ten nanoseconds, no system call, the
 * registers that a function call preserves and the floating-point control words, nothing else (so
 * the signal mask is common to all coroutines).
 *
 * make_fcontext() and jump_fcontext() are C symbols but not a public interface: Boost documents the
 * C++ classes above them, and from 1.87 its shared library hides them. That is why they are
 * declared here by hand and taken from the static library, and why there is a second
 * implementation. */
#include "worker/context.h"

#include "worker/annotate.h"

/* What a jump brings along: where it came from, and one word. Returned in two registers. */
struct transfer {
    void *from;
    void *data;
};

extern void *make_fcontext(void *stack_high, size_t size, void (*entry)(struct transfer transfer));
extern struct transfer jump_fcontext(void *to, void *data);

/* The frame at the bottom of every coroutine. */
static void run(struct transfer transfer)
{
    struct context *context = transfer.data;

    context->outside = transfer.from;
    annotate_switch_finish(NULL, &context->outside_base, &context->outside_size);
    context->entry(context->argument);
    context->over = true;
    annotate_switch_start(NULL, context->outside_base, context->outside_size);
    (void)jump_fcontext(context->outside, NULL); /* never comes back */
    abort();
}

void context_make(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *argument), void *argument)
{
    *context = (struct context){
        .inside = make_fcontext((char *)stack_base + stack_size, stack_size, run),
        .entry = entry,
        .argument = argument,
        .stack_base = stack_base,
        .stack_size = stack_size,
    };
}

void context_enter(struct context *context)
{
    assert(!context->over);
    annotate_switch_start(&context->outside_fake_stack, context->stack_base, context->stack_size);
    struct transfer transfer = jump_fcontext(context->inside, context);
    context->inside = transfer.from;
    annotate_switch_finish(context->outside_fake_stack, NULL, NULL);
}

void context_leave(struct context *context)
{
    annotate_switch_start(&context->inside_fake_stack, context->outside_base,
                          context->outside_size);
    struct transfer transfer = jump_fcontext(context->outside, NULL);
    context->outside = transfer.from;
    annotate_switch_finish(context->inside_fake_stack, &context->outside_base,
                           &context->outside_size);
}

bool context_over(const struct context *context)
{
    return context->over;
}
