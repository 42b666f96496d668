/* SPDX-License-Identifier: MPL-2.0 */
/* For tests that need a real cgroup to make others in: root mounts the kernel's tree where nobody
 * else sees it, others use the cgroup that they are in, if it is theirs. */
#ifndef LOADS_TESTS_UNIT_CGROUPS_H
#define LOADS_TESTS_UNIT_CGROUPS_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "run/cgroup.h"

static char cgroup_mount[] = "/tmp/loads-test-cgroup-XXXXXX";

static void unmount_cgroups(void)
{
    (void)umount2(cgroup_mount, MNT_DETACH); /* at exit: nobody is there to be told */
    (void)rmdir(cgroup_mount);
}

static void mount_cgroups(void)
{
    assert_non_null(mkdtemp(cgroup_mount));
    assert_int_equal(atexit(unmount_cgroups), 0);
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("loads-test", cgroup_mount, "cgroup2", 0, NULL), 0);
}

/* A new cgroup of this test's own, malloc'ed: made once per process. */
static _unused_ char *own_cgroup(void)
{
    static char *root;
    char *made;

    if (!root && geteuid() == 0) {
        mount_cgroups();
        root = cgroup_mount;
    } else if (!root) {
        assert_int_equal(cgroup_find(&root), 0);
    }
    assert_true(asprintf(&made, "%s/loads-test-%d", root, (int)getpid()) > 0);
    if (mkdir(made, 0755) < 0) {
        fail_msg(
            "%s: %s; run the test as root, or with 'systemd-run --user --scope -p Delegate=yes'",
            made, strerror(errno));
    }
    return made;
}

#endif
