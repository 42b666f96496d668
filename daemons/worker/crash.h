/* SPDX-License-Identifier: MPL-2.0 */
/* Last words: what a worker says to its supervisor when a test crashes it. */
#ifndef LOADS_WORKER_CRASH_H
#define LOADS_WORKER_CRASH_H

#include "base/macros.h"

/* Catches SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT from here on, on a stack of their own. The
 * objects that are loaded now are those whose frames can be named. -errno. */
int crash_catch(int channel_fd) _must_check_;

#endif
