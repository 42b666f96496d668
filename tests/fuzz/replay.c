/* SPDX-License-Identifier: MPL-2.0 */
/* Stands in for libFuzzer where a fuzzer is an ordinary test: hands it each file that the arguments
 * name, or that lie in a directory that they name, and the empty input. Each input gets memory of
 * exactly its size, so that a read behind its end is noticed. */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

#define MAX_BYTES (1 << 20)

static bool replay_file(const char *path)
{
    static uint8_t buffer[MAX_BYTES];
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(buffer, 1, sizeof buffer, file) : 0;

    if (!file || ferror(file)) {
        perror(path);
        return false;
    }
    (void)fclose(file); /* only read from */
    uint8_t *input = malloc(MAX(size, 1));
    assert(input);
    memcpy(input, buffer, size);
    printf("%s\n", path);
    (void)fflush(stdout); /* whoever sees it die shall know where */
    (void)LLVMFuzzerTestOneInput(input, size);
    free(input);
    return true;
}

/* How many files there were, or -1. */
static int replay_directory(const char *path, DIR *directory)
{
    int n = 0;

    for (const struct dirent *entry; (entry = readdir(directory));) {
        char name[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name); /* short enough */
        if (!replay_file(name)) {
            return -1;
        }
        n++;
    }
    return n;
}

int main(int argc, char *argv[])
{
    int total = 0;

    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        int n = directory ? replay_directory(argv[i], directory) : replay_file(argv[i]) ? 1 : -1;
        if (directory) {
            (void)closedir(directory); /* only read from */
        }
        if (n < 0) {
            return 2;
        }
        total += n;
    }
    if (total == 0) {
        (void)fprintf(stderr, "%s: no inputs: name files or directories\n", argv[0]);
        return 2;
    }
    printf("%d inputs\n", total);
    return 0;
}
