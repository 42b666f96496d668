/* SPDX-License-Identifier: MPL-2.0 */
/* Switching with the C library's makecontext() and swapcontext(): where Boost's static library is
 * missing or doesn't know the processor. A hundred times slower, since each switch saves and sets
 * the signal mask with a system call; otherwise the same to whoever uses it.
 *
 * A ucontext_t takes about a kilobyte, too much to carry per user in two copies: the coroutine's
 * lies at the high end of its own stack, the loop's in the frame of context_enter(), where it lives
 * exactly as long as it is needed. */
#include "worker/context.h"

#include <stdint.h>
#include <ucontext.h>

#include "worker/annotate.h"

/* The frame at the bottom of every coroutine. makecontext() passes ints, so the pointer comes in
 * halves. */
static void run(unsigned high, unsigned low)
{
    struct context *context = (struct context *)(((uintptr_t)high << 32) | low);

    annotate_switch_finish(NULL, &context->outside_base, &context->outside_size);
    context->entry(context->argument);
    context->over = true;
    annotate_switch_start(NULL, context->outside_base, context->outside_size);
    (void)setcontext(context->outside); /* never comes back */
    abort();
}

void context_make(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *argument), void *argument)
{
    size_t reserved = (sizeof(ucontext_t) + 63) / 64 * 64;
    ucontext_t *inside = (ucontext_t *)((char *)stack_base + stack_size - reserved);

    *context = (struct context){
        .inside = inside,
        .entry = entry,
        .argument = argument,
        .stack_base = stack_base,
        .stack_size = stack_size,
    };
    *inside = (ucontext_t){0};
    (void)getcontext(inside); /* can't fail: it asks for nothing but the signal mask */
    inside->uc_stack.ss_sp = stack_base;
    inside->uc_stack.ss_size = stack_size - reserved;
    inside->uc_link = NULL;
    makecontext(inside, (void (*)(void))run, 2, (unsigned)((uintptr_t)context >> 32),
                (unsigned)((uintptr_t)context & UINT32_MAX));
}

void context_enter(struct context *context)
{
    ucontext_t outside = {0};

    assert(!context->over);
    context->outside = &outside;
    annotate_switch_start(&context->outside_fake_stack, context->stack_base, context->stack_size);
    (void)swapcontext(&outside, context->inside); /* fails only for want of a signal mask */
    annotate_switch_finish(context->outside_fake_stack, NULL, NULL);
    context->outside = NULL;
}

void context_leave(struct context *context)
{
    annotate_switch_start(&context->inside_fake_stack, context->outside_base,
                          context->outside_size);
    (void)swapcontext(context->inside, context->outside); /* as above */
    annotate_switch_finish(context->inside_fake_stack, &context->outside_base,
                           &context->outside_size);
}

bool context_over(const struct context *context)
{
    return context->over;
}
