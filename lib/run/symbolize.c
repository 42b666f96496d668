/* SPDX-License-Identifier: MPL-2.0 */
/* By libdw, in the supervisor: the dying worker only names objects and offsets. The debug file
 * search is our own and finds none, as libdw's would ask servers on the network. The worker's
 * memory may have been written over before it died, so what it names is opened with care. */
#include "run/symbolize.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int no_debug_file(Dwfl_Module *module _unused_, void **data _unused_,
                         const char *name _unused_, Dwarf_Addr base _unused_,
                         const char *file _unused_, const char *link _unused_,
                         GElf_Word crc _unused_, char **ret _unused_)
{
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = no_debug_file,
    .section_address = dwfl_offline_section_address,
};

/* Test functions are written LOADS_TEST(Suite, test): their C name is ours, and what follows a dot
 * in any name (".cold", ".part.0") is the compiler's. */
static void make_readable(char *function)
{
    static const char prefix[] = "loads_body_";
    size_t size = strcspn(function, ".");

    if (size > 0) {
        function[size] = '\0';
    }
    if (strncmp(function, prefix, sizeof prefix - 1) == 0) {
        memmove(function, function + sizeof prefix - 1, strlen(function) - sizeof prefix + 2);
    }
}

static void look_up(Dwfl_Module *module, Dwarf_Addr address, struct place *ret)
{
    const char *function = dwfl_module_addrname(module, address);
    Dwfl_Line *line = dwfl_module_getsrc(module, address);

    if (function) {
        (void)snprintf(ret->function, sizeof ret->function, "%s", function);
        make_readable(ret->function);
    }
    if (line) {
        const char *path = dwfl_lineinfo(line, NULL, &ret->line, NULL, NULL, NULL);
        const char *slash = path ? strrchr(path, '/') : NULL;
        (void)snprintf(ret->file, sizeof ret->file, "%s", slash ? slash + 1 : path ? path : "");
    }
}

/* Only plain files: opening a pipe would wait for its writer. */
static int open_plain(const char *path)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? TAKE_FD(fd) : -1;
}

bool symbolize(const char *object, uint64_t offset, struct place *ret)
{
    _cleanup_fd_ int fd = open_plain(object);
    Dwfl *dwfl = fd >= 0 ? dwfl_begin(&callbacks) : NULL;
    Dwarf_Addr bias;

    *ret = (struct place){0};
    if (!dwfl) {
        return false;
    }
    Dwfl_Module *module = dwfl_report_offline(dwfl, "crash", object, fd);
    if (module) {
        (void)TAKE_FD(fd); /* it is libdw's now */
    }
    (void)dwfl_report_end(dwfl, NULL, NULL); /* nothing to hear of: one module */
    if (module && dwfl_module_getelf(module, &bias)) {
        look_up(module, offset + bias, ret);
    }
    dwfl_end(dwfl);
    return ret->function[0] || ret->file[0];
}

/* Appends as printf does; what doesn't fit is cut. */
static void append(char *text, size_t size, const char *format, ...) _printf_(3, 4);
static void append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, size - length, format, arguments); /* cut is fine */
    va_end(arguments);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "function (file:line)", or what else is known of a frame. */
static void describe(const struct crash_frame *frame, const struct place *place, char *text,
                     size_t size)
{
    const char *function = place->function[0] ? place->function : "??";
    const char *object = base_name(frame->object);

    if (place->file[0]) {
        (void)snprintf(text, size, "%s (%s:%d)", function, place->file, place->line);
    } else if (place->function[0]) {
        (void)snprintf(text, size, "%s (%s)", function, object);
    } else {
        (void)snprintf(text, size, "?? (%s+0x%" PRIx64 ")", object, frame->offset);
    }
}

struct trace {
    char *text;
    size_t size;
    char last[sizeof(struct place) + 64]; /* the line before, for recursions */
    unsigned repeated;
};

static void end_repetition(struct trace *trace)
{
    if (trace->repeated > 0) {
        append(trace->text, trace->size, "  (and %u times more)\n", trace->repeated);
        trace->repeated = 0;
    }
}

static void add_frame(struct trace *trace, const char *line)
{
    if (strcmp(line, trace->last) == 0) {
        trace->repeated++;
        return;
    }
    end_repetition(trace);
    append(trace->text, trace->size, "  %s\n", line);
    (void)snprintf(trace->last, sizeof trace->last, "%s", line);
}

/* Frame by frame, up to the test's own function: what called that is no news. *ret_place becomes
 * the innermost place in a module, and ret_text its line. */
static void walk(const struct message_crash *crash, const struct strlist *modules,
                 struct trace *trace, struct place *ret_place, char *ret_text, size_t text_size)
{
    bool in_test = false;

    for (uint32_t i = 0; i < crash->n_frames; i++) {
        const struct crash_frame *frame = &crash->frames[i];
        bool of_module = strlist_has(modules, frame->object);
        struct place place = {0};
        char line[sizeof trace->last];

        if (in_test && !of_module && strcmp(base_name(frame->object), "loads-worker") == 0) {
            break;
        }
        bool known = frame->object[0] && symbolize(frame->object, frame->offset, &place);
        describe(frame, &place, line, sizeof line);
        add_frame(trace, line);
        if (known && of_module && !in_test) {
            *ret_place = place;
            (void)snprintf(ret_text, text_size, "%s", line);
            in_test = true;
        }
    }
    end_repetition(trace);
}

void symbolize_crash(const struct message_crash *crash, const struct strlist *modules,
                     size_t stack_size_bytes, char *message, size_t message_size, char *where,
                     size_t where_size, char *traceback, size_t traceback_size)
{
    struct trace trace = {.text = traceback, .size = traceback_size};
    char text[sizeof trace.last] = "", inside[sizeof text + 4] = "";
    struct place place = {0};

    *where = *traceback = '\0';
    walk(crash, modules, &trace, &place, text, sizeof text);
    if (text[0]) {
        (void)snprintf(inside, sizeof inside, " in %s", text);
    }
    if (place.file[0]) {
        (void)snprintf(where, where_size, "%s:%d", place.file, place.line);
    }
    if (crash->stalled) {
        (void)snprintf(message, message_size,
                       "stalled%s: a test that waits must do so by loads_sleep() and its like, or "
                       "it takes longer than --stall-timeout",
                       inside);
    } else if (crash->thread_exit) {
        (void)snprintf(message, message_size,
                       "a test ended the worker's thread: it must not call pthread_exit()");
    } else if (crash->stack_overflow) {
        (void)snprintf(message, message_size,
                       "stack overflow%s: a user's stack is %zu KiB, more with --stack-size",
                       inside, stack_size_bytes / 1024);
    } else if (crash->signal == SIGSEGV || crash->signal == SIGBUS) {
        (void)snprintf(message, message_size, "%s at address 0x%" PRIx64 "%s",
                       strsignal(crash->signal), crash->address, inside);
    } else {
        (void)snprintf(message, message_size, "%s%s", strsignal(crash->signal), inside);
    }
}
