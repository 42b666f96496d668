/* SPDX-License-Identifier: MPL-2.0 */
/* The users are those that Debian's and Fedora's packages make, and the one that every system has.
 */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

int account_choose(struct account *ret, struct error *error)
{
    static const char *const names[] = {"postgres", "nobody"};

    *ret = (struct account){.other = false};
    if (geteuid() != 0) {
        return 0;
    }
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        const struct passwd *entry = getpwnam(names[i]);
        if (entry && entry->pw_uid != 0) {
            *ret = (struct account){true, names[i], entry->pw_uid, entry->pw_gid};
            return 0;
        }
    }
    return error_set(error, -ENOENT,
                     "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' "
                     "to run it as: be another user, or install the package postgresql");
}

int account_let_in(const struct account *account, const char *directory, bool owner,
                   struct error *error)
{
    int r = 0;

    if (account->other) {
        r = chown(directory, owner ? account->uid : geteuid(), account->gid);
    }
    if (r == 0) { /* others can't reach the sockets */
        r = chmod(directory, account->other && !owner ? 0710 : 0700);
    }
    return r < 0 ? error_set_errno(error, -errno, "cannot change who may use %s", directory) : 0;
}

int account_become(const struct account *account)
{
    if (account->other &&
        (setgroups(0, NULL) < 0 || setresgid(account->gid, account->gid, account->gid) < 0 ||
         setresuid(account->uid, account->uid, account->uid) < 0)) {
        return -errno;
    }
    return 0;
}
