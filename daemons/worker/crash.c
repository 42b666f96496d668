/* SPDX-License-Identifier: MPL-2.0 */
/* A signal handler that does as little as it can: it walks the stack, looks up each address in a
 * table of loaded objects that was made beforehand, and sends the result in one datagram. Names of
 * functions and lines are the supervisor's work. Then the signal takes its course. */
#include "crash.h"

#include "run/channel.h"
#include "user.h" /* before link.h, whose macro EV_NONE would break ev.h */

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#define MAX_OBJECTS    128
#define ALTSTACK_BYTES ((size_t)128 << 10)

struct object {
    uintptr_t base, low, high; /* load address; range of what is mapped */
    char path[sizeof((struct crash_frame *)0)->object];
};

static struct object objects[MAX_OBJECTS];
static size_t n_objects;
static int channel = -1;
static pid_t owner;
static struct message message;

static int note_object(struct dl_phdr_info *info, size_t size _unused_, void *context _unused_)
{
    if (n_objects == MAX_OBJECTS) {
        return 1;
    }
    struct object *object = &objects[n_objects];
    object->base = info->dlpi_addr;
    object->low = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD) {
            object->low = MIN(object->low, info->dlpi_addr + header->p_vaddr);
            object->high = MAX(object->high, info->dlpi_addr + header->p_vaddr + header->p_memsz);
        }
    }
    if (info->dlpi_name[0]) {
        strncpy(object->path, info->dlpi_name, sizeof object->path - 1);
    } else if (n_objects == 0) { /* the program itself */
        (void)!readlink("/proc/self/exe", object->path, sizeof object->path - 1);
    }
    n_objects++;
    return 0;
}

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument _unused_)
{
    int before = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &before);

    if (message.crash.n_frames == CRASH_MAX_FRAMES || address == 0) {
        return _URC_END_OF_STACK;
    }
    address -= before ? 0 : 1; /* a return address: the call is what we want */
    struct crash_frame *frame = &message.crash.frames[message.crash.n_frames++];
    frame->offset = address;
    for (size_t i = 0; i < n_objects; i++) {
        if (address >= objects[i].low && address < objects[i].high) {
            frame->offset = address - objects[i].base;
            memcpy(frame->object, objects[i].path, sizeof frame->object);
        }
    }
    return _URC_NO_REASON;
}

/* Frames of ours above the fault (this handler, abort()) are no news. */
static void drop_own_frames(uintptr_t fault_address)
{
    struct message_crash *crash = &message.crash;

    for (uint32_t i = 0; i < crash->n_frames; i++) {
        uintptr_t base = 0;
        for (size_t o = 0; o < n_objects; o++) {
            if (strcmp(objects[o].path, crash->frames[i].object) == 0) {
                base = objects[o].base;
            }
        }
        if (base + crash->frames[i].offset == fault_address) {
            crash->n_frames -= i;
            memmove(crash->frames, crash->frames + i, crash->n_frames * sizeof *crash->frames);
            return;
        }
    }
}

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0; /* the handler's own frames stay in the traceback */
#endif
}

static void on_crash(int signal_number, siginfo_t *info, void *context)
{
    const struct loads_user *user = user_current();

    if (getpid() != owner) { /* a process that a test forked: its end isn't the worker's */
        (void)raise(signal_number);
        return;
    }
    message.type = MESSAGE_CRASH;
    message.crash.signal = signal_number;
    message.crash.user = user ? (int32_t)user->number : -1;
    message.crash.address = (uintptr_t)info->si_addr;
    message.crash.stalled = signal_number == SIGABRT && info->si_pid == getppid();
    message.crash.thread_exit = user_exits_thread();
    message.crash.stack_overflow = user && stack_guard_contains(&user->stack, info->si_addr);
    (void)_Unwind_Backtrace(note_frame, NULL); /* as far as it comes */
    drop_own_frames(program_counter(context));
    (void)!channel_send(channel, &message); /* nobody there: nobody to tell */
    (void)raise(signal_number);             /* the handler was reset: this one ends us */
}

static _Unwind_Reason_Code skip_frame(struct _Unwind_Context *context _unused_,
                                      void *argument _unused_)
{
    return _URC_END_OF_STACK;
}

int crash_catch(int channel_fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
    void *memory =
        mmap(NULL, ALTSTACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    channel = channel_fd;
    owner = getpid();
    if (memory == MAP_FAILED) {
        return -errno;
    }
    if (sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = ALTSTACK_BYTES}, NULL) < 0) {
        return -errno;
    }
    (void)_Unwind_Backtrace(skip_frame, NULL); /* what it loads on first use, it loads now */
    n_objects = 0;
    (void)dl_iterate_phdr(note_object, NULL);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
        if (sigaction(signals[i], &action, NULL) < 0) {
            return -errno;
        }
    }
    return 0;
}
