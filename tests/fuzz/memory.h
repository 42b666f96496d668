/* SPDX-License-Identifier: MPL-2.0 */
/* Memory for what several processes would share, between two pages that nobody may touch: reads and
 * writes outside end the fuzzer, also where the sanitizer doesn't know the memory. */
#ifndef LOADS_TESTS_FUZZ_MEMORY_H
#define LOADS_TESTS_FUZZ_MEMORY_H

#include <sys/mman.h>

#include "fuzz.h"

#define GUARD_BYTES ((size_t)4096)

/* `size` bytes that end where the second guard begins. For the life of the process. */
static inline uint8_t *guarded_memory(size_t size)
{
    size_t pages = (size + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    uint8_t *all = mmap(NULL, pages + 2 * GUARD_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert(all != MAP_FAILED);
    assert(mprotect(all + GUARD_BYTES, pages, PROT_READ | PROT_WRITE) == 0);
    return all + GUARD_BYTES + (pages - size);
}

/* Makes all of it zero again, at the cost of what was touched. */
static inline void clear_memory(uint8_t *memory, size_t size)
{
    size_t before = (uintptr_t)memory % GUARD_BYTES;

    assert(madvise(memory - before, before + size, MADV_DONTNEED) == 0);
}

/* A number of the input's, at a place of the input's below `limit`. */
static inline void write_over(uint8_t *memory, size_t limit, struct input *input)
{
    size_t width = (size_t)1 << input_number(input, 1) % 4;
    size_t offset = (size_t)input_number(input, 4) % (limit - width);
    uint64_t value = input_number(input, width);

    memcpy(memory + offset / width * width, &value, width);
}

#endif
