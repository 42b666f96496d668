/* SPDX-License-Identifier: MPL-2.0 */
/* What observers have in common: what they read, and what they say of a run. */
#ifndef LOADS_OBSERVERS_COMMON_H
#define LOADS_OBSERVERS_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/json.h"

#define INPUT_MAX_BYTES  ((size_t)64 << 20)
#define SECRET_MAX_BYTES 1000
#define FACT_BYTES       128
#define FACTS            8
#define LINE_BYTES       4096

struct input {
    json_t *json;
    const char *observer;   /* our name */
    uint64_t deadline_usec; /* by the monotonic clock: before the broker ends us */
};

/* Reads a descriptor to its end. -EBADMSG and others with a text. */
int input_read(struct input *ret, int fd, struct error *error) _must_check_;
void input_clear(struct input *input);

/* A text of the run, or `otherwise`. */
const char *input_text(const struct input *input, const char *key, const char *otherwise);

/* An option, or `otherwise`. */
const char *input_option(const struct input *input, const char *key, const char *otherwise);

/* How much time is left; 0: none. */
uint64_t input_left_usec(const struct input *input);

/* The first line of the file that an option names; "" without such an option. -EACCES: others can
 * read it, and others with a text. */
int input_secret(const struct input *input, const char *key, char ret[static SECRET_MAX_BYTES],
                 struct error *error) _must_check_;

/* What there is to say, as label and value. */
struct fact {
    const char *label;
    char value[FACT_BYTES];
};

struct facts {
    const char *name, *result;  /* of the run */
    const char *trouble, *link; /* NULL: none */
    struct fact facts[FACTS];   /* n of them */
    size_t n;
    const json_t *thresholds; /* of the run, a list of objects; NULL: none */
};

/* One of its thresholds as people read it: "â p95 < 200ms: 12.3 ms". */
void facts_threshold(const struct facts *facts, size_t index, char ret[static FACT_BYTES]);

void facts_of(const struct input *input, struct facts *ret);

/* All of it in one line without control characters. */
void facts_line(const struct facts *facts, char ret[static LINE_BYTES]);

/* Copies a text with blanks for control characters, cut to the room at the end of a character. */
void put_clean(char *to, size_t room, const char *text);

/* "HOST:PORT", with brackets around an address of IPv6. The caller's; NULL: no memory. */
char *host_and_port(const char *host, const char *port);

/* Runs an observer: reads standard input, calls it, and says on standard error what went wrong.
 * Returns the exit status. */
int observer_main(int (*observe)(const struct input *input, struct error *error));

#endif
