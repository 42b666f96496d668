/* SPDX-License-Identifier: MPL-2.0 */
/* By libdw, in the supervisor: the dying worker only names objects and offsets. The debug file search
 * is our own and finds none, as libdw's would ask servers on the network. */
#include "run/symbolize.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

static void look_up(Dwfl_Module *module, Dwarf_Addr address, struct place *ret)
{
    const char *function = dwfl_module_addrname(module, address);
    Dwfl_Line *line = dwfl_module_getsrc(module, address);

    if (function) {
        (void)snprintf(ret->function, sizeof ret->function, "%s", function);
    }
    if (line) {
        const char *path = dwfl_lineinfo(line, NULL, &ret->line, NULL, NULL, NULL);
        const char *slash = path ? strrchr(path, '/') : NULL;
        (void)snprintf(ret->file, sizeof ret->file, "%s", slash ? slash + 1 : path ? path : "");
    }
}

bool symbolize(const char *object, uint64_t offset, struct place *ret)
{
    Dwfl *dwfl = dwfl_begin(&callbacks);
    Dwarf_Addr bias;

    *ret = (struct place){0};
    if (!dwfl) {
        return false;
    }
    Dwfl_Module *module = dwfl_report_offline(dwfl, "crash", object, -1);
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

/* Test functions are written LOADS_TEST(Suite, test); their C name is ours. */
static const char *readable(const char *function)
{
    static const char prefix[] = "loads_body_";
    return strncmp(function, prefix, sizeof prefix - 1) == 0 ? function + sizeof prefix - 1
                                                            : function;
}

void symbolize_crash(const struct message_crash *crash, const char *module, size_t stack_size_bytes,
                     char *message, size_t message_size, char *where, size_t where_size,
                     char *traceback, size_t traceback_size)
{
    char inside[sizeof(struct place) + 16] = "";

    *where = *traceback = '\0';
    for (uint32_t i = 0; i < crash->n_frames; i++) {
        const struct crash_frame *frame = &crash->frames[i];
        struct place place;
        const char *slash = strrchr(frame->object, '/');

        if (!frame->object[0] || !symbolize(frame->object, frame->offset, &place)) {
            append(traceback, traceback_size, "  ?? (%s+0x%" PRIx64 ")\n",
                   slash ? slash + 1 : frame->object, frame->offset);
            continue;
        }
        append(traceback, traceback_size, "  %s (%s:%d)\n", readable(place.function), place.file,
               place.line);
        if (!*where && strcmp(frame->object, module) == 0) {
            (void)snprintf(where, where_size, "%s:%d", place.file, place.line);
            (void)snprintf(inside, sizeof inside, " in %s (%s)", readable(place.function), where);
        }
    }
    if (crash->stack_overflow) {
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
