/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <fenv.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unwind.h>

#include "worker/annotate.h"
#include "worker/context.h"
#include "worker/stack.h"

#define STACK_BYTES (256 * 1024)

/* A coroutine with what it works on. */
struct routine {
    struct context context;
    struct stack stack;
    unsigned id;
    unsigned turns;
    unsigned seen;
    double sum;
    int rounding;
    jmp_buf out;
    struct _Unwind_Exception exception; /* not in a frame that is unwound */
    unsigned cleaned;
    bool after;
};

static struct stack_pool *pool;

static void start(struct routine *routine, void (*entry)(void *))
{
    assert_int_equal(stack_take(pool, &routine->stack, NULL), 0);
    context_make(&routine->context, routine->stack.base, routine->stack.size, entry, routine);
    assert_false(context_over(&routine->context));
}

static void finish(struct routine *routine)
{
    assert_true(context_over(&routine->context));
    stack_give_back(pool, &routine->stack);
}

static int setup(void **state _unused_)
{
    return stack_pool_new(&pool, STACK_BYTES);
}

static int teardown(void **state _unused_)
{
    pool = stack_pool_free(pool);
    return 0;
}

static void count_turns(void *argument)
{
    struct routine *routine = argument;

    for (unsigned i = 0; i < routine->turns; i++) {
        routine->seen++;
        context_leave(&routine->context);
    }
}

static void test_many_switches(void **state _unused_)
{
    struct routine routine = {.turns = 20000};

    start(&routine, count_turns);
    for (unsigned i = 0; i < routine.turns; i++) {
        assert_int_equal(routine.seen, i);
        context_enter(&routine.context);
        assert_false(context_over(&routine.context));
    }
    context_enter(&routine.context);
    assert_int_equal(routine.seen, routine.turns);
    finish(&routine);
}

static void nothing(void *argument)
{
    ((struct routine *)argument)->seen++;
}

static void test_never_leaves(void **state _unused_)
{
    for (unsigned i = 0; i < 1000; i++) {
        struct routine routine = {0};
        start(&routine, nothing);
        context_enter(&routine.context);
        assert_int_equal(routine.seen, 1);
        finish(&routine);
    }
}

/* Something of its own on each stack, checked after every switch. */
static void keep_buffer(void *argument)
{
    struct routine *routine = argument;
    char mine[64], now[64];

    (void)snprintf(mine, sizeof mine, "routine %u", routine->id);
    for (unsigned i = 0; i < routine->turns; i++) {
        context_leave(&routine->context);
        (void)snprintf(now, sizeof now, "routine %u", routine->id);
        routine->seen += strcmp(mine, now) == 0;
    }
}

static void test_many_contexts(void **state _unused_)
{
    enum { N = 300, ROUNDS = 3 };
    static struct routine routines[N];

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < N; i++) {
            routines[i] = (struct routine){.id = i, .turns = 1 + i % 50};
            start(&routines[i], keep_buffer);
        }
        unsigned left = N;
        while (left > 0) {
            for (unsigned i = 0; i < N; i++) {
                if (!context_over(&routines[i].context)) {
                    context_enter(&routines[i].context);
                    left -= context_over(&routines[i].context);
                }
            }
        }
        for (unsigned i = 0; i < N; i++) {
            assert_int_equal(routines[i].seen, routines[i].turns);
            finish(&routines[i]);
        }
    }
}

/* Fills a kilobyte per level, leaves at the bottom, and looks at all of it on the way back. */
static __attribute__((noinline)) unsigned descend(struct routine *routine, unsigned depth)
{
    volatile unsigned char block[1024];
    unsigned sum = 0;

    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (unsigned char)(depth + i);
    }
    if (depth == 0) {
        context_leave(&routine->context);
    } else {
        sum = descend(routine, depth - 1);
    }
    for (size_t i = 0; i < sizeof block; i++) {
        sum += block[i] == (unsigned char)(depth + i);
    }
    return sum;
}

static void use_deeply(void *argument)
{
    struct routine *routine = argument;

    routine->seen = descend(routine, routine->turns);
}

static void test_deep_stack(void **state _unused_)
{
    enum { N = 20, DEPTH = 100 }; /* some 100 KiB, more with redzones */
    struct routine routines[N] = {0};

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++) {
            routines[i].turns = DEPTH;
            start(&routines[i], use_deeply);
            context_enter(&routines[i].context);
            assert_false(context_over(&routines[i].context));
        }
        for (unsigned i = 0; i < N; i++) {
            context_enter(&routines[i].context);
            assert_int_equal(routines[i].seen, (DEPTH + 1) * 1024);
            finish(&routines[i]);
        }
    }
}

/* Enough live values to fill the registers that a call preserves, and some more. */
#define LIVE(seed)                                                                                 \
    unsigned long a = (seed)*3, b = (seed)*5, c = (seed)*7, d = (seed)*11, e = (seed)*13,          \
                  f = (seed)*17, g = (seed)*19, h = (seed)*23
#define STEP()                                                                                     \
    a += b ^ 1, b += c ^ 2, c += d ^ 3, d += e ^ 4, e += f ^ 5, f += g ^ 6, g += h ^ 7, h += a ^ 8
#define DIGEST() (a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4) ^ (f << 5) ^ (g << 6) ^ (h << 7))

static unsigned long digest_alone(unsigned long seed, unsigned turns)
{
    LIVE(seed);
    for (unsigned i = 0; i < turns; i++) {
        STEP();
    }
    return DIGEST();
}

static unsigned long digest_inside;

static void use_registers(void *argument)
{
    struct routine *routine = argument;
    double x = routine->id, y = 1.0 / 3.0;

    LIVE(routine->id);
    for (unsigned i = 0; i < routine->turns; i++) {
        STEP();
        x = x * 0.5 + y;
        context_leave(&routine->context);
    }
    digest_inside = DIGEST();
    routine->sum = x;
}

static void test_registers(void **state _unused_)
{
    enum { TURNS = 50 };
    struct routine routine = {.id = 12345, .turns = TURNS};
    double x = 777, y = 1.0 / 7.0, want_inside = 12345, want_outside = 777;

    start(&routine, use_registers);
    LIVE(999);
    for (unsigned i = 0; i < TURNS; i++) {
        STEP();
        x = x * 0.25 + y;
        context_enter(&routine.context);
    }
    context_enter(&routine.context);
    for (unsigned i = 0; i < TURNS; i++) {
        want_inside = want_inside * 0.5 + 1.0 / 3.0;
        want_outside = want_outside * 0.25 + 1.0 / 7.0;
    }
    assert_true(DIGEST() == digest_alone(999, TURNS));
    assert_true(digest_inside == digest_alone(12345, TURNS));
    assert_true(x == want_outside);
    assert_true(routine.sum == want_inside);
    finish(&routine);
}

static void change_rounding(void *argument)
{
    struct routine *routine = argument;

    (void)fesetround(FE_UPWARD);
    context_leave(&routine->context);
    routine->rounding = fegetround();
}

/* The floating-point environment belongs to the coroutine that set it. */
static void test_rounding(void **state _unused_)
{
    struct routine routine = {0};

    start(&routine, change_rounding);
    context_enter(&routine.context);
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_int_equal(fesetround(FE_DOWNWARD), 0);
    context_enter(&routine.context);
    assert_int_equal(fegetround(), FE_DOWNWARD);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    assert_int_equal(routine.rounding, FE_UPWARD);
    finish(&routine);
}

static void unwind_entry(void *argument);

/* Ends the unwinding at the coroutine's entry. */
static _Unwind_Reason_Code stop(int version _unused_, _Unwind_Action actions,
                                _Unwind_Exception_Class class _unused_,
                                struct _Unwind_Exception *exception _unused_,
                                struct _Unwind_Context *frame, void *argument)
{
    struct routine *routine = argument;

    assert(!(actions & _UA_END_OF_STACK));
    if (_Unwind_GetRegionStart(frame) == (_Unwind_Ptr)unwind_entry) {
        longjmp(routine->out, 1);
    }
    return _URC_NO_REASON;
}

static void clean(struct routine **routine)
{
    (*routine)->cleaned++;
}

static __attribute__((noinline)) void nested(struct routine *routine, unsigned depth)
{
    _cleanup_(clean) struct routine *held = routine;
    char mine[40];

    (void)snprintf(mine, sizeof mine, "%u", depth);
    if (depth > 0) {
        nested(routine, depth - 1);
    } else {
        context_leave(&routine->context);
        (void)_Unwind_ForcedUnwind(&routine->exception, stop, routine);
    }
    held->after = true; /* never: it is left in the middle */
    held->seen += mine[0] == '0' + (int)depth;
}

static void unwind_entry(void *argument)
{
    struct routine *routine = argument;

    if (setjmp(routine->out) == 0) {
        nested(routine, routine->turns);
        routine->seen = 1;
    } else {
        routine->seen = 2;
    }
}

/* Leaving from deep inside runs the cleanup functions on the way, many coroutines at a time, on
 * stacks that are used again afterwards. */
static void test_forced_unwind(void **state _unused_)
{
    enum { N = 50 };
    static struct routine routines[N];

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N; i++) {
            routines[i] = (struct routine){.turns = i % 10};
            start(&routines[i], unwind_entry);
            context_enter(&routines[i].context);
            assert_int_equal(routines[i].cleaned, 0);
        }
        for (unsigned i = 0; i < N; i++) {
            context_enter(&routines[i].context);
            assert_int_equal(routines[i].seen, 2);
            assert_int_equal(routines[i].cleaned, routines[i].turns + 1);
            assert_false(routines[i].after);
            finish(&routines[i]);
        }
    }
}

static struct routine *overflowing;

static void on_fault(int number _unused_, siginfo_t *info, void *machine _unused_)
{
    _exit(stack_guard_contains(&overflowing->stack, info->si_addr) ? 7 : 8);
}

static __attribute__((noinline)) unsigned endless(volatile unsigned depth)
{
    volatile char block[512];

    block[0] = (char)depth;
    return depth == (unsigned)-1 ? 0 : endless(depth + 1) + (unsigned)block[0];
}

static void overflow(void *argument)
{
    ((struct routine *)argument)->seen = endless(0);
}

/* Running out of stack is a fault in the guard page, and known as one. */
static void test_overflow(void **state _unused_)
{
    struct routine routine = {0};
    int status = 0;

    start(&routine, overflow);
    overflowing = &routine;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static char alternative[65536];
        stack_t stack = {.ss_sp = alternative, .ss_size = sizeof alternative};
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        (void)sigaltstack(&stack, NULL);
        (void)sigaction(SIGSEGV, &action, NULL);
        context_enter(&routine.context);
        _exit(9);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    stack_give_back(pool, &routine.stack); /* never entered here */
}

#if ANNOTATE_ASAN
static void hold_memory(void *argument)
{
    struct routine *routine = argument;
    char *memory = malloc(100);

    context_leave(&routine->context);
    free(memory);
}

/* Memory that only a waiting coroutine knows of is no leak. */
static void test_no_leak(void **state _unused_)
{
    struct routine routine = {0};

    start(&routine, hold_memory);
    context_enter(&routine.context);
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
    context_enter(&routine.context);
    finish(&routine);
}
#endif

static size_t resident_pages(const struct stack *stack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char there[STACK_BYTES / 4096];

    assert_int_equal(mincore(stack->base, stack->size, there), 0);
    for (size_t i = 0; i < stack->size / page; i++) {
        count += there[i] & 1;
    }
    return count;
}

static __attribute__((noinline)) void go_deep(void)
{
    volatile char room[STACK_BYTES / 2];

    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = (char)i;
    }
}

static void trim(void *argument)
{
    struct routine *routine = argument;
    volatile unsigned kept = 12345;

    go_deep();
    routine->seen = (unsigned)resident_pages(&routine->stack);
    stack_trim(&routine->stack);
    routine->turns = (unsigned)resident_pages(&routine->stack);
    go_deep(); /* what was given back can be used again */
    routine->id = kept;
}

/* What ran deeper gives its memory back; what the caller has stays. */
static void test_trim(void **state _unused_)
{
    struct routine routine = {.id = 0};

    start(&routine, trim);
    context_enter(&routine.context);
    assert_true(context_over(&routine.context));
    assert_int_equal(routine.id, 12345);
    assert_true(routine.seen * 4096 >= STACK_BYTES / 2);
    assert_true(routine.turns * 4096 < STACK_BYTES / 4);
    stack_give_back(pool, &routine.stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_switches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_never_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_contexts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rounding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forced_unwind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
#if ANNOTATE_ASAN
        cmocka_unit_test_setup_teardown(test_no_leak, setup, teardown),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
