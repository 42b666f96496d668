/* SPDX-License-Identifier: MPL-2.0 */
/* A child that belongs to nobody, and that ends for nobody; of a test, and of a module. */
#include <loads/loads.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void leave(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            puts("child is here");
            fflush(stdout);
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
}

#ifdef IN_MODULE
__attribute__((constructor)) static void begin(void)
{
    leave();
}
#endif

LOADS_TEST(Daemon, leave)
{
    (void)user;
    leave();
}

LOADS_TEST(Daemon, stay)
{
    leave();
    loads_sleep(user, 3600000);
}
