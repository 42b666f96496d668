/* SPDX-License-Identifier: MPL-2.0 */
/* Addresses of a crash to names a person knows. */
#ifndef LOADS_RUN_SYMBOLIZE_H
#define LOADS_RUN_SYMBOLIZE_H

#include <stdint.h>

#include "base/macros.h"
#include "base/strlist.h"
#include "run/channel.h"

struct place {
    char function[128]; /* "" when unknown */
    char file[192];     /* without its directories; "" when unknown */
    int line;
};

/* What stands at an offset (from the load address) of an ELF file, by its symbols and DWARF. False:
 * the file tells nothing about it. Nothing is fetched from anywhere. */
bool symbolize(const char *object, uint64_t offset, struct place *ret);

/* A crash for the report: `message` says what happened where ("segmentation fault at address 0x0 in
 * test_login (shop.c:12)"), `where` is the innermost "file:line" of the test's module ("" when
 * unknown), `traceback` has a line per frame. `modules`: paths of the tests' modules. */
void symbolize_crash(const struct message_crash *crash, const struct strlist *modules,
                     size_t stack_size_bytes, char *message, size_t message_size, char *where,
                     size_t where_size, char *traceback, size_t traceback_size);

#endif
