/* SPDX-License-Identifier: MPL-2.0 */
/* Memory and children for tests of what several processes share. */
#ifndef LOADS_TESTS_UNIT_SHARED_MEMORY_H
#define LOADS_TESTS_UNIT_SHARED_MEMORY_H

#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

/* Zeroed memory that children share. */
static _unused_ void *share_memory(size_t size_bytes)
{
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static _unused_ void unshare_memory(void *memory, size_t size_bytes)
{
    assert_int_equal(munmap(memory, size_bytes), 0);
}

/* Runs a function in a child, whose status is what it returns. */
static _unused_ pid_t start_child(int (*function)(void *context), void *context)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(function(context)); /* the parent's handlers and buffers are not ours */
    }
    return pid;
}

/* It can still be waited for. */
static _unused_ bool child_is_over(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid != 0;
}

static _unused_ int wait_for_child(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
