/* SPDX-License-Identifier: MPL-2.0 */
/* Preloaded, leaks in the program that LEAK_IN names: to see that somebody notices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void leak(void)
{
    const char *where = getenv("LEAK_IN");

    if (where && strcmp(where, program_invocation_short_name) == 0) {
        for (int i = 0; i < 100; i++) { /* some address may stay in a register */
            void *volatile lost = malloc(4321);
            lost = NULL;
            (void)lost;
        }
    }
}
