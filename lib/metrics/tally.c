/* SPDX-License-Identifier: MPL-2.0 */
/* The tally: memory, journal, and what the worker does with them on every hit. How a buffer becomes
 * an interval is in tally_take.c.
 *
 * A stage function writes into the journal where a word is, how wide it is, and which value it
 * gets: absolute values, so that applying them twice does no harm. A commit stores how many entries
 * there are, applies them, and stores 0 again. The number of hits of a series is nowhere kept: it
 * is the sum of its page counters, which is one store less per hit, and one number that can't
 * disagree.
 *
 * A page is zeroed when it is given out, not when its buffer is reused, so that the cost of a
 * buffer change doesn't depend on how much was counted; until the commit that links it nobody looks
 * at it. */
#include "metrics/tally.h"

#include <errno.h>
#include <string.h>

#include "metrics/tally_memory.h"

void tally_layout(struct tally_layout *ret)
{
    const size_t pool_bytes = (size_t)TALLY_MAX_PAGES * TALLY_PAGE_BYTES;

    *ret = (struct tally_layout){
        .size_bytes = TALLY_HEAD_BYTES + 2 * pool_bytes,
        .head_bytes = TALLY_HEAD_BYTES,
        .pool_offset_bytes = {TALLY_HEAD_BYTES, TALLY_HEAD_BYTES + pool_bytes},
        .page_bytes = TALLY_PAGE_BYTES,
        .max_pages = TALLY_MAX_PAGES,
    };
}

static int make_handle(struct tally **ret, void *memory, size_t size_bytes)
{
    struct tally_layout layout;
    struct tally *tally = calloc(1, sizeof *tally);

    if (!tally) {
        return -ENOMEM;
    }
    tally_layout(&layout);
    tally->shared = memory;
    tally->size_bytes = size_bytes;
    for (unsigned i = 0; i < 2; i++) {
        tally->pool[i] = (void *)((char *)memory + layout.pool_offset_bytes[i]);
    }
    *ret = tally;
    return 0;
}

static bool fits(const void *memory, size_t size_bytes)
{
    struct tally_layout layout;

    tally_layout(&layout);
    return size_bytes >= layout.size_bytes && size_bytes <= UINT32_MAX &&
           (uintptr_t)memory % TALLY_ALIGNMENT == 0;
}

int tally_new(struct tally **ret, void *memory, size_t size_bytes, unsigned pages)
{
    struct tally *tally;

    if (!fits(memory, size_bytes) || pages > TALLY_MAX_PAGES) {
        return -EINVAL;
    }
    int r = make_handle(&tally, memory, size_bytes);
    if (r < 0) {
        return r;
    }
    struct tally_shared *shared = tally->shared;
    tally->pages = pages;
    tally->opened = 1;
    shared->pages = pages;
    shared->version = TALLY_VERSION;
    shared->size_bytes = size_bytes;
    shared->buffers[0].opened = tally->opened;
    shared->buffers[0].state = TALLY_ACTIVE;
    __atomic_store_n(&shared->magic, TALLY_MAGIC, __ATOMIC_RELEASE);
    *ret = tally;
    return 0;
}

int tally_attach(struct tally **ret, void *memory, size_t size_bytes)
{
    const struct tally_shared *shared = memory;

    if (!fits(memory, size_bytes) ||
        __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != TALLY_MAGIC ||
        shared->version != TALLY_VERSION || shared->size_bytes != size_bytes) {
        return -EINVAL;
    }
    return make_handle(ret, memory, size_bytes);
}

struct tally *tally_free(struct tally *tally)
{
    free(tally);
    return NULL;
}

/* ---- pages and seconds ---- */

static struct tally_buffer *active_buffer(const struct tally *tally)
{
    return &tally->shared->buffers[tally->active];
}

bool tally_pages_wanted(const struct tally *tally)
{
    return tally->pages < TALLY_MAX_PAGES &&
           active_buffer(tally)->counts.pages_used + HISTOGRAM_PAGES > tally->pages;
}

unsigned tally_pages(const struct tally *tally)
{
    return tally->pages;
}

void tally_pages_backed(struct tally *tally, unsigned pages)
{
    assert(pages >= tally->pages && pages <= TALLY_MAX_PAGES);
    tally->pages = pages;
    __atomic_store_n(&tally->shared->pages, pages, __ATOMIC_RELAXED);
}

/* Opens the other buffer and seals the active one. A death in between leaves two active ones, the
 * younger of them empty. False: the other one wasn't taken yet. */
static bool change_buffers(struct tally *tally, uint32_t second)
{
    struct tally_buffer *buffer = active_buffer(tally);
    struct tally_buffer *other = &tally->shared->buffers[!tally->active];

    assert(tally->staged == 0); /* what is staged belongs to the active buffer */
    if (__atomic_load_n(&other->state, __ATOMIC_ACQUIRE) != TALLY_FREE) {
        return false;
    }
    memset(&other->counts, 0, sizeof other->counts);
    other->first_second = second;
    other->last_second = second;
    other->opened = ++tally->opened;
    __atomic_store_n(&other->state, TALLY_ACTIVE, __ATOMIC_RELEASE);
    __atomic_store_n(&buffer->state, TALLY_SEALED, __ATOMIC_RELEASE);
    tally->active = !tally->active;
    tally->holds = false;
    return true;
}

void tally_advance(struct tally *tally, uint32_t second)
{
    struct tally_buffer *buffer = active_buffer(tally);

    second = MIN(second, UINT32_MAX - 1);
    if (second <= buffer->last_second) {
        return;
    }
    if (!tally->holds) {
        buffer->last_second = second;
        buffer->first_second = second;
    } else if (!change_buffers(tally, second)) {
        buffer->last_second = second;
    }
}

bool tally_seal(struct tally *tally)
{
    return !tally->holds || change_buffers(tally, active_buffer(tally)->last_second);
}

/* ---- staging ---- */

static inline void stage(struct tally *tally, const void *word, uint32_t width, uint64_t value)
{
    assert(tally->staged < TALLY_JOURNAL_ENTRIES);
    struct tally_entry *entry = &tally->shared->journal.entries[tally->staged++];
    entry->offset = (uint32_t)((const char *)word - (const char *)tally->shared);
    entry->width = width;
    entry->value = value;
}

static inline void stage_u64(struct tally *tally, const uint64_t *word, uint64_t value)
{
    stage(tally, word, sizeof *word, value);
}

static inline void stage_u32(struct tally *tally, const uint32_t *word, uint32_t value)
{
    stage(tally, word, sizeof *word, value);
}

/* Gives a series a new page, in one commit several. The caller has seen to it that there is one
 * (tally_pages_wanted()). */
static uint32_t *stage_new_page(struct tally *tally, struct tally_counts *counts, uint32_t *number)
{
    uint32_t page = counts->pages_used + tally->staged_pages++;

    assert(page < tally->pages);
    uint32_t *counters = tally->pool[tally->active] + (size_t)page * HISTOGRAM_PAGE_BUCKETS;
    memset(counters, 0, TALLY_PAGE_BYTES);
    stage_u32(tally, number, page + 1);
    stage_u32(tally, &counts->pages_used, page + 1);
    return counters;
}

/* Stages a time for a slot's histogram. */
static void stage_time(struct tally *tally, struct tally_counts *counts, struct tally_series *slot,
                       uint64_t elapsed_usec)
{
    uint64_t usec = MIN(MAX(elapsed_usec, HISTOGRAM_MIN_USEC), HISTOGRAM_MAX_USEC);
    unsigned bucket = histogram_bucket(usec);
    uint32_t *number = &slot->pages[bucket / HISTOGRAM_PAGE_BUCKETS];
    uint32_t *counters;

    if (*number - 1 < tally->pages) { /* 0 is none, and so is what was written over */
        counters = tally->pool[tally->active] + (size_t)(*number - 1) * HISTOGRAM_PAGE_BUCKETS;
    } else {
        counters = stage_new_page(tally, counts, number);
    }
    counters += bucket % HISTOGRAM_PAGE_BUCKETS;
    stage_u32(tally, counters, *counters + 1);
    stage_u64(tally, &slot->sum_usec, slot->sum_usec + usec);
    if (usec < slot->min_usec || slot->min_usec == 0) {
        stage_u64(tally, &slot->min_usec, usec);
    }
    if (usec > slot->max_usec) {
        stage_u64(tally, &slot->max_usec, usec);
    }
}

void tally_stage_hit(struct tally *tally, unsigned series, uint64_t elapsed_usec,
                     uint64_t sent_bytes, uint64_t received_bytes)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    struct tally_series *slot = &counts->series[series <= NAMES_MAX_SERIES ? series : 0];

    stage_time(tally, counts, slot, elapsed_usec);
    if (sent_bytes > 0) {
        stage_u64(tally, &slot->sent_bytes, slot->sent_bytes + sent_bytes);
    }
    if (received_bytes > 0) {
        stage_u64(tally, &slot->received_bytes, slot->received_bytes + received_bytes);
    }
    stage_u64(tally, &tally->shared->live_hits, tally->shared->live_hits + 1);
    tally->holds = true;
}

void tally_stage_time(struct tally *tally, unsigned timer, uint64_t elapsed_usec)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;

    stage_time(tally, counts, &counts->timers[timer <= NAMES_MAX_TIMERS ? timer : 0], elapsed_usec);
    tally->holds = true;
}

void tally_stage_timer_error(struct tally *tally, unsigned timer)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    const uint64_t *errors = &counts->timers[timer <= NAMES_MAX_TIMERS ? timer : 0].errors;

    stage_u64(tally, errors, *errors + 1);
    tally->holds = true;
}

void tally_stage_request_error(struct tally *tally, unsigned series)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    const uint64_t *errors = &counts->series[series <= NAMES_MAX_SERIES ? series : 0].errors;

    stage_u64(tally, errors, *errors + 1);
    tally->holds = true;
}

void tally_stage_error(struct tally *tally, unsigned error)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    const uint64_t *count = &counts->errors[error <= NAMES_MAX_ERRORS ? error : 0];

    stage_u64(tally, count, *count + 1);
    tally->holds = true;
}

void tally_stage_counter(struct tally *tally, unsigned counter, int64_t increment)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    const int64_t *count = &counts->counters[counter <= NAMES_MAX_COUNTERS ? counter : 0];

    stage(tally, count, sizeof *count, (uint64_t)interval_add_counts(*count, increment));
    tally->holds = true;
}

void tally_stage_outcome(struct tally *tally, unsigned test, enum outcome outcome)
{
    struct tally_counts *counts = &active_buffer(tally)->counts;
    const uint64_t *count = &counts->outcomes[test <= NAMES_MAX_TESTS ? test : 0][outcome];

    stage_u64(tally, count, *count + 1);
    tally->holds = true;
}

void tally_stage_store(struct tally *tally, uint64_t *word, uint64_t value)
{
    size_t offset = (uintptr_t)word - (uintptr_t)tally->shared;

    assert(offset <= tally->size_bytes - sizeof *word && offset % sizeof *word == 0);
    stage_u64(tally, word, value);
}

/* ---- the journal ---- */

static inline void apply(struct tally_shared *shared, const struct tally_entry *entry)
{
    char *word = (char *)shared + entry->offset;

    if (entry->width == sizeof(uint32_t)) {
        __atomic_store_n((uint32_t *)(void *)word, (uint32_t)entry->value, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n((uint64_t *)(void *)word, entry->value, __ATOMIC_RELAXED);
    }
}

/* The fences order the stores, and what a staged store publishes (a ring's head) comes after what
 * was written before. On x86 they cost nothing but keep the compiler from moving stores. */
void tally_commit(struct tally *tally)
{
    struct tally_journal *journal = &tally->shared->journal;
    unsigned staged = tally->staged;

    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&journal->count, staged, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (unsigned i = 0; i < staged; i++) {
        apply(tally->shared, &journal->entries[i]);
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&journal->count, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* before the next entries */
    tally->staged = 0;
    tally->staged_pages = 0;
}

/* A journal that was written over is not applied, not even in part. */
void tally_recover(struct tally *tally)
{
    struct tally_journal *journal = &tally->shared->journal;
    uint32_t count = __atomic_load_n(&journal->count, __ATOMIC_ACQUIRE);
    struct tally_entry entries[TALLY_JOURNAL_ENTRIES];
    bool sane = count <= TALLY_JOURNAL_ENTRIES;

    memcpy(entries, journal->entries, sizeof entries);
    for (uint32_t i = 0; sane && i < count; i++) {
        const struct tally_entry *entry = &entries[i];
        sane = (entry->width == sizeof(uint32_t) || entry->width == sizeof(uint64_t)) &&
               entry->offset % entry->width == 0 &&
               entry->offset <= tally->size_bytes - entry->width;
    }
    for (uint32_t i = 0; sane && i < count; i++) {
        apply(tally->shared, &entries[i]);
    }
    __atomic_store_n(&journal->count, 0, __ATOMIC_RELEASE);
}

uint64_t tally_live_hits(const struct tally *tally)
{
    return __atomic_load_n(&tally->shared->live_hits, __ATOMIC_RELAXED);
}
