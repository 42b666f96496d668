/* SPDX-License-Identifier: MPL-2.0 */
/* The table of names. It is append-only: an entry (offset and size of a text) and its text are
 * written first and become visible by one store of the count, so that whoever dies in between
 * leaves a sane table behind, and readers need no lock. How much of the text space is used follows
 * from the last entries, so there is no second word that could disagree.
 *
 * Tests run in the processes that map the table and may write over it by mistake. So everything
 * that is read from it is checked at every use; what makes no sense is "(other)". The lock is
 * waited for a second once, and after that not at all, until somebody has it again: a supervisor
 * must not hang because a worker was stopped, or wrote over the lock.
 *
 * Texts are cleaned before they are looked up, but a text that is found as it is was clean: so the
 * way of a hit is one lookup (two if the name is new to this handle), and the cleaning is for names
 * that are new or dirty. */
#include "metrics/names.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/strmap.h"
#include "metrics/names_table.h"

#define MAGIC         UINT64_C(0x73656d616e2d6473) /* "sd-names" */
#define VERSION       2
#define OTHER         "(other)"
#define LOCK_WAIT_SEC 1

static const struct {
    unsigned max;   /* ids */
    unsigned first; /* where its entries begin */
} kinds[NAME_KINDS] = {
    [NAME_TEST] = {NAMES_MAX_TESTS, 0},
    [NAME_SERIES] = {NAMES_MAX_SERIES, NAMES_MAX_TESTS + 1},
    [NAME_ERROR] = {NAMES_MAX_ERRORS, NAMES_MAX_TESTS + NAMES_MAX_SERIES + 2},
    [NAME_COUNTER] = {NAMES_MAX_COUNTERS,
                      NAMES_MAX_TESTS + NAMES_MAX_SERIES + NAMES_MAX_ERRORS + 3},
    [NAME_TIMER] = {NAMES_MAX_TIMERS,
                    NAMES_MAX_TESTS + NAMES_MAX_SERIES + NAMES_MAX_ERRORS + NAMES_MAX_COUNTERS + 4},
};

#define ENTRIES (NAMES_MAX_IDS + NAME_KINDS)

struct entry {
    uint32_t offset, size; /* of the text; a NUL follows it */
};

struct names_shared {
    uint64_t magic;
    uint32_t version;
    uint32_t count[NAME_KINDS];
    uint64_t overflows[NAME_KINDS];
    pthread_mutex_t lock;
    struct entry entries[ENTRIES];
    char text[NAMES_TEXT_BYTES];
};

unsigned names_max_id(enum name_kind kind)
{
    return kinds[kind].max;
}

size_t names_size_bytes(void)
{
    return sizeof(struct names_shared);
}

static int make_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int r = pthread_mutexattr_init(&attributes);
    if (r == 0) {
        r = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        if (r == 0) {
            r = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        }
        if (r == 0) {
            r = pthread_mutex_init(lock, &attributes);
        }
        (void)pthread_mutexattr_destroy(&attributes); /* can't fail for one that was initialised */
    }
    return -r;
}

/* Written over, a lock may be of a kind whose code in the C library has assertions. The field is in
 * its header, for static initialisation. */
static bool lock_is_ours(const struct names *names)
{
    return __atomic_load_n(&names->shared->lock.__data.__kind, __ATOMIC_RELAXED) ==
           names->lock_kind;
}

static int make_handle(struct names **ret, struct names_shared *shared)
{
    _cleanup_(names_freep) struct names *names = calloc(1, sizeof *names);
    pthread_mutex_t like = {0};

    if (!names) {
        return -ENOMEM;
    }
    int made = make_lock(&like);
    if (made < 0) {
        return made;
    }
    names->lock_kind = like.__data.__kind;
    (void)pthread_mutex_destroy(&like); /* nobody has it */
    names->shared = shared;
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        int r = strmap_new(&names->ids[kind]);
        if (r < 0) {
            return r;
        }
    }
    *ret = TAKE_PTR(names);
    return 0;
}

static bool fits(const void *memory, size_t size_bytes)
{
    return size_bytes >= sizeof(struct names_shared) &&
           (uintptr_t)memory % _Alignof(struct names_shared) == 0;
}

int names_new(struct names **ret, void *memory, size_t size_bytes)
{
    struct names_shared *shared = memory;

    if (!fits(memory, size_bytes)) {
        return -EINVAL;
    }
    int r = make_lock(&shared->lock);
    if (r < 0) {
        return r;
    }
    memcpy(shared->text, OTHER, sizeof OTHER);
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) { /* all share that text */
        shared->entries[kinds[kind].first] = (struct entry){.offset = 0, .size = sizeof OTHER - 1};
        shared->count[kind] = 1;
    }
    shared->version = VERSION;
    __atomic_store_n(&shared->magic, MAGIC, __ATOMIC_RELEASE);
    return make_handle(ret, shared);
}

int names_attach(struct names **ret, void *memory, size_t size_bytes)
{
    struct names_shared *shared = memory;

    if (!fits(memory, size_bytes) || __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != MAGIC ||
        shared->version != VERSION) {
        return -EINVAL;
    }
    return make_handle(ret, shared);
}

struct names *names_free(struct names *names)
{
    if (names) {
        for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
            strmap_free(names->ids[kind]);
        }
        for (unsigned id = 0; id < ELEMENTSOF(names->series); id++) {
            free(names->series[id]);
        }
        free(names);
    }
    return NULL;
}

/* ---- what is in the shared memory ---- */

unsigned names_count(const struct names *names, enum name_kind kind)
{
    unsigned count = __atomic_load_n(&names->shared->count[kind], __ATOMIC_ACQUIRE);
    return MIN(MAX(count, 1), kinds[kind].max + 1);
}

/* Where the text of an id lies, if that can be. */
static bool get_entry(const struct names *names, enum name_kind kind, unsigned id,
                      struct entry *ret)
{
    const struct entry *entry = &names->shared->entries[kinds[kind].first + id];

    ret->offset = __atomic_load_n(&entry->offset, __ATOMIC_RELAXED);
    ret->size = __atomic_load_n(&entry->size, __ATOMIC_RELAXED);
    return ret->size <= NAME_MAX_BYTES && ret->offset < NAMES_TEXT_BYTES &&
           ret->size < NAMES_TEXT_BYTES - ret->offset;
}

const char *names_text(const struct names *names, enum name_kind kind, unsigned id)
{
    struct entry entry;

    if (id == 0 || id >= names_count(names, kind) || !get_entry(names, kind, id, &entry)) {
        return OTHER;
    }
    const char *text = names->shared->text + entry.offset;
    return text[entry.size] == '\0' && names_is_clean(text, entry.size) ? text : OTHER;
}

uint64_t names_overflows(const struct names *names, enum name_kind kind)
{
    return __atomic_load_n(&names->shared->overflows[kind], __ATOMIC_RELAXED);
}

void names_add_overflows(struct names *names, enum name_kind kind, uint64_t count)
{
    __atomic_fetch_add(&names->shared->overflows[kind], count, __ATOMIC_RELAXED);
}

/* How much of the text space is used: all of it if the entries make no sense. */
static uint32_t text_end(const struct names *names)
{
    uint32_t end = 0;

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        struct entry last;
        if (!get_entry(names, kind, names_count(names, kind) - 1, &last)) {
            return NAMES_TEXT_BYTES;
        }
        end = MAX(end, last.offset + last.size + 1);
    }
    return end;
}

/* ---- lookups ---- */

static void *id_to_value(unsigned id)
{
    return (void *)(uintptr_t)(id + 1);
}

bool names_look_up(const struct names *names, enum name_kind kind, const char *text, size_t size,
                   unsigned *ret)
{
    uintptr_t value = (uintptr_t)strmap_get(names->ids[kind], text, size);

    *ret = (unsigned)(value - 1);
    return value != 0;
}

/* Takes over what others have added. Without memory for that, stops there. */
static void learn(struct names *names, enum name_kind kind)
{
    unsigned count = names_count(names, kind);

    for (; names->synced[kind] < count; names->synced[kind]++) {
        unsigned id = names->synced[kind];
        struct entry entry;
        if (!get_entry(names, kind, id, &entry)) {
            continue;
        }
        const char *text = names->shared->text + entry.offset;
        unsigned known;
        if (!names_look_up(names, kind, text, entry.size, &known) &&
            strmap_put(names->ids[kind], text, entry.size, id_to_value(id)) < 0) {
            return;
        }
    }
}

/* Looks for a clean text in the map, then in what is new, then in what didn't fit into the map. */
static bool find(struct names *names, enum name_kind kind, const char *text, size_t size,
                 unsigned *ret)
{
    if (names_look_up(names, kind, text, size, ret)) {
        return true;
    }
    unsigned count = names_count(names, kind);
    if (names->synced[kind] == count) {
        return false;
    }
    learn(names, kind);
    if (names_look_up(names, kind, text, size, ret)) {
        return true;
    }
    for (unsigned id = names->synced[kind]; id < count; id++) {
        struct entry entry;
        if (get_entry(names, kind, id, &entry) && entry.size == size &&
            memcmp(names->shared->text + entry.offset, text, size) == 0) {
            *ret = id;
            return true;
        }
    }
    return false;
}

/* ---- insertion ---- */

static bool lock(struct names *names)
{
    int r = lock_is_ours(names) ? pthread_mutex_trylock(&names->shared->lock) : EINVAL;

    if (r == EBUSY && !names->lock_failed) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until); /* can't fail for this clock */
        until.tv_sec += LOCK_WAIT_SEC;
        r = pthread_mutex_clocklock(&names->shared->lock, CLOCK_MONOTONIC, &until);
    }
    if (r == EOWNERDEAD) { /* what it was about to add isn't visible: nothing to mend */
        r = pthread_mutex_consistent(&names->shared->lock);
    }
    names->lock_failed = r != 0;
    return r == 0;
}

/* With the lock held: adds a text that isn't there. False: there is no room. */
static bool append(struct names *names, enum name_kind kind, const char *text, size_t size,
                   unsigned *ret)
{
    struct names_shared *shared = names->shared;
    unsigned id = names_count(names, kind);
    uint32_t offset = text_end(names);

    if (id > kinds[kind].max || size + 1 > NAMES_TEXT_BYTES - offset) {
        return false;
    }
    memcpy(shared->text + offset, text, size);
    shared->text[offset + size] = '\0';
    struct entry *entry = &shared->entries[kinds[kind].first + id];
    __atomic_store_n(&entry->offset, offset, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->size, (uint32_t)size, __ATOMIC_RELAXED);
    __atomic_store_n(&shared->count[kind], id + 1, __ATOMIC_RELEASE);
    *ret = id;
    return true;
}

unsigned names_id_of_clean(struct names *names, enum name_kind kind, const char *text, size_t size)
{
    unsigned id = 0;

    if (find(names, kind, text, size, &id)) {
        return id;
    }
    bool there = false;
    if (names_count(names, kind) <= kinds[kind].max && lock(names)) {
        there = find(names, kind, text, size, &id) || append(names, kind, text, size, &id);
        (void)pthread_mutex_unlock(&names->shared->lock); /* held, and no error could be mended */
    }
    if (!there) {
        __atomic_fetch_add(&names->shared->overflows[kind], 1, __ATOMIC_RELAXED);
        return 0;
    }
    learn(names, kind);
    return id;
}

unsigned names_id(struct names *names, enum name_kind kind, const char *text, size_t size)
{
    char cleaned[NAME_MAX_BYTES];
    unsigned id;

    if (size <= NAME_MAX_BYTES && names_look_up(names, kind, text, size, &id)) {
        return id;
    }
    size_t cleaned_size = names_clean(cleaned, sizeof cleaned, text, size, true);
    return names_id_of_clean(names, kind, cleaned, cleaned_size);
}

unsigned names_find(struct names *names, enum name_kind kind, const char *text, size_t size)
{
    char cleaned[NAME_MAX_BYTES];
    unsigned id;

    if (size <= NAME_MAX_BYTES && names_look_up(names, kind, text, size, &id)) {
        return id;
    }
    size_t cleaned_size = names_clean(cleaned, sizeof cleaned, text, size, true);
    return find(names, kind, cleaned, cleaned_size, &id) ? id : 0;
}
