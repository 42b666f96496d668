/* SPDX-License-Identifier: MPL-2.0 */
/* The names of a run: what was measured gets small numbers, the same ones in all workers of the
 * run, so that nothing but numbers has to be counted, and numbers per name don't depend on how many
 * workers there were. The table lives in memory that the supervisor made and all workers map; its
 * lock survives the death of a holder. Entries are never changed or taken away.
 *
 * Each kind is bounded; entry 0 of each is "(other)" and takes what comes when it is full. */
#ifndef LOADS_METRICS_NAMES_H
#define LOADS_METRICS_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum name_kind {
    NAME_TEST,    /* FQN without the module: "Suite.test" */
    NAME_SERIES,  /* test, request name, method, status */
    NAME_ERROR,   /* kind, class, message, place, traceback */
    NAME_COUNTER, /* custom counters */
    NAME_TIMER,   /* kind, test, name: what is timed beside hits */
    NAME_KINDS
};

/* How many of each kind, "(other)" beside: */
#define NAMES_MAX_TESTS    100
#define NAMES_MAX_SERIES   1000
#define NAMES_MAX_ERRORS   200
#define NAMES_MAX_COUNTERS 1000
#define NAMES_MAX_TIMERS   300
#define NAMES_MAX_IDS                                                                              \
    (NAMES_MAX_TESTS + NAMES_MAX_SERIES + NAMES_MAX_ERRORS + NAMES_MAX_COUNTERS + NAMES_MAX_TIMERS)
#define NAME_MAX_BYTES   8192      /* of one text; longer ones are cut at a UTF-8 boundary */
#define NAMES_TEXT_BYTES (4 << 20) /* of all texts together */

struct names;

/* Bytes that a table takes. Formats zeroed memory of that size / uses one that another process
 * formatted (-EINVAL: it isn't one). The handle is the caller's, the memory stays borrowed. */
size_t names_size_bytes(void);
int names_new(struct names **ret, void *memory, size_t size_bytes) _must_check_;
int names_attach(struct names **ret, void *memory, size_t size_bytes) _must_check_;
struct names *names_free(struct names *names);
DEFINE_CLEANUP(struct names, names_free)

/* The number of a text, which is given one if it is new; 0 when the kind or the text space is full.
 * The text is bytes: control characters other than '\n', '\t' and the separator '\x1f' become '?',
 * invalid UTF-8 U+FFFD. Each handle keeps a map of what it has seen, so a known name costs one
 * lookup and no lock. */
unsigned names_id(struct names *names, enum name_kind kind, const char *text, size_t size);

/* Same without adding: 0 if unknown. */
unsigned names_find(struct names *names, enum name_kind kind, const char *text, size_t size);

/* The largest id that there can be of a kind. */
unsigned names_max_id(enum name_kind kind);

/* Entries of a kind, "(other)" included: ids are below this. */
unsigned names_count(const struct names *names, enum name_kind kind);

/* The text of an id, NUL-terminated, valid as long as the memory; "(other)" for 0 and what is out
 * of range. */
const char *names_text(const struct names *names, enum name_kind kind, unsigned id);

/* How many times something was put into "(other)" of a kind for want of room. */
uint64_t names_overflows(const struct names *names, enum name_kind kind);

/* Counts what had no room in another table, of which this one has the names. */
void names_add_overflows(struct names *names, enum name_kind kind, uint64_t count);

/* The parts of a series' text, not NULL. */
struct series_key {
    const char *test;
    const char *name;
    const char *method;
    unsigned status; /* 0: requests without a complete answer */
};

/* names_id() of a series. */
unsigned names_series(struct names *names, const struct series_key *key);

/* The parts of a series' text back, in `buffer` (NAME_MAX_BYTES + 1). "(other)": name is "(other)",
 * the rest empty. */
void series_key_parse(const char *text, char *buffer, struct series_key *ret);

/* What is timed beside hits, and counted nowhere else. */
enum timer_kind {
    TIMER_TRANSACTION, /* a part of a test: "checkout/pay" */
    TIMER_ROUND_TRIP,  /* a WebSocket's message and the one that answers it */
    TIMER_PHASE,       /* a part of a hit's time, over all tests: its name is hit_phase_word() */
    TIMER_KINDS
};

/* The parts of a timer's text. */
struct timer_key {
    enum timer_kind kind;
    const char *test; /* not NULL */
    const char *name; /* not NULL */
};

unsigned names_timer(struct names *names, const struct timer_key *key);

/* As series_key_parse(): "(other)" is a transaction. */
void timer_key_parse(const char *text, char *buffer, struct timer_key *ret);

/* "transaction", "round-trip", "phase": as it stands in a timer's text. */
const char *timer_kind_word(enum timer_kind kind);

/* What a hit's time is spent on; together they are all of it. */
enum hit_phase {
    PHASE_BLOCKED, /* in the worker: nothing of the others */
    PHASE_DNS,     /* of hits that looked a host up */
    PHASE_CONNECT, /* of hits with a connection of their own */
    PHASE_TLS,     /* the same */
    PHASE_SEND,
    PHASE_WAIT,
    PHASE_RECEIVE,
    HIT_PHASES
};

const char *hit_phase_word(enum hit_phase phase);

/* HIT_PHASES: no phase is called so. */
enum hit_phase hit_phase_of(const char *word);

enum error_kind {
    ERROR_KIND_ERROR,   /* no answer, a crash, a misuse */
    ERROR_KIND_FAILURE, /* a failed assertion */
};

/* The parts of an error's text. NULL parts are written as "". */
struct error_key {
    enum error_kind kind;
    const char *class; /* "assertion", "connect", "timeout", "crash", … */
    const char *message;
    const char *place; /* "example.c:12" */
    const char *test;
    const char *traceback; /* lines */
};

unsigned names_error(struct names *names, const struct error_key *key);
void error_key_parse(const char *text, char *buffer, struct error_key *ret);

/* An error's text as one line, "class: message", cut to `size` > 0 bytes, the NUL included, between
 * characters. */
void error_key_line(const char *text, char *line, size_t size);

#endif
