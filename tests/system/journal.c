/* SPDX-License-Identifier: MPL-2.0 */
/* Preloaded into a daemon, takes for its journal what $JOURNAL_FILE names: each entry is one line
 * of it, whose fields 0x1f parts (0x1e stands for a newline inside). The daemon finds its standard
 * error to be the journal, as if systemd had started it; what it starts itself is left alone. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static char path[4096];

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("JOURNAL_FILE");
    struct stat status;
    char stream[64];

    (void)unsetenv("LD_PRELOAD"); /* fails only for bad names */
    if (file && fstat(STDERR_FILENO, &status) == 0) {
        (void)snprintf(path, sizeof path, "%s", file); /* it fits, or nothing comes */
        (void)snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)status.st_dev,
                       (unsigned long)status.st_ino); /* it fits */
        (void)setenv("JOURNAL_STREAM", stream, 1);    /* without memory nothing comes */
    }
}

/* What sd_journal_sendv() is in <systemd/sd-journal.h>. */
EXPORT int sd_journal_sendv_with_location(const char *file, const char *line, const char *function,
                                          const struct iovec *fields, int count);

EXPORT int sd_journal_sendv_with_location(const char *file, const char *line, const char *function,
                                          const struct iovec *fields, int count)
{
    char entry[32768];
    size_t used = 0;

    (void)file, (void)line, (void)function;
    for (int i = 0; i < count && used + fields[i].iov_len + 2 < sizeof entry; i++) {
        memcpy(entry + used, fields[i].iov_base, fields[i].iov_len);
        used += fields[i].iov_len;
        entry[used++] = '\x1f';
    }
    for (size_t i = 0; i < used; i++) {
        entry[i] = entry[i] == '\n' ? '\x1e' : entry[i];
    }
    entry[used++] = '\n';
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int r = fd >= 0 && write(fd, entry, used) == (ssize_t)used ? 0 : -1;
    (void)close(fd); /* it is written */
    return r;
}
