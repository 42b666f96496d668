/* SPDX-License-Identifier: MPL-2.0 */
/* No lock: a pile's place is taken by one compare-and-swap, a number by one addition. Who dies has
 * either taken it or not; a number that was taken and not used is lost, which is better than one
 * that is used twice. Tests may write over all of this; what comes of that is numbers that the
 * caller can't use, and no more. */
#include "run/deal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC UINT64_C(0x6c6165642d73646c) /* "lds-deal" */

struct shared {
    uint64_t magic;
    uint32_t agents, agent_index;
    struct pile {
        uint64_t id; /* 0: free */
        uint64_t next;
    } piles[DEAL_MAX_PILES];
};

struct deal {
    struct shared *shared;
    unsigned agents, agent_index; /* as they were at first */
};

int deal_create(const char *path, unsigned agents, unsigned agent_index, struct error *error)
{
    struct shared shared = {.magic = MAGIC, .agents = agents, .agent_index = agent_index};
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot make %s", path);
    }
    ssize_t n = write(fd, &shared, sizeof shared);
    if (n != sizeof shared) {
        return error_set_errno(error, n < 0 ? -errno : -ENOSPC, "cannot write %s", path);
    }
    return 0;
}

int deal_open(struct deal **ret, const char *path, struct error *error)
{
    _cleanup_(deal_freep) struct deal *deal = calloc(1, sizeof *deal);
    _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || !deal || fstat(fd, &status) < 0) {
        return error_set_errno(error, deal ? -errno : -ENOMEM, "cannot open %s", path);
    }
    if (status.st_size != sizeof *deal->shared) {
        return error_set(error, -EINVAL, "%s has another version's size", path);
    }
    void *memory = mmap(NULL, sizeof *deal->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return error_set_errno(error, -errno, "cannot map %s", path);
    }
    deal->shared = memory;
    deal->agents = deal->shared->agents;
    deal->agent_index = deal->shared->agent_index;
    if (deal->shared->magic != MAGIC || deal->agent_index >= deal->agents) {
        return error_set(error, -EINVAL, "%s makes no sense", path);
    }
    *ret = TAKE_PTR(deal);
    return 0;
}

struct deal *deal_free(struct deal *deal)
{
    if (deal) {
        if (deal->shared) {
            (void)munmap(deal->shared, sizeof *deal->shared); /* our own mapping: can't fail */
        }
        free(deal);
    }
    return NULL;
}

unsigned deal_agents(const struct deal *deal)
{
    return deal->agents;
}

unsigned deal_agent_index(const struct deal *deal)
{
    return deal->agent_index;
}

int deal_next(struct deal *deal, uint64_t pile, uint64_t *ret)
{
    for (size_t i = 0; i < DEAL_MAX_PILES; i++) {
        struct pile *place = &deal->shared->piles[i];
        uint64_t id = 0;
        if (__atomic_compare_exchange_n(&place->id, &id, pile, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) ||
            id == pile) {
            *ret = __atomic_fetch_add(&place->next, 1, __ATOMIC_RELAXED);
            return 0;
        }
    }
    return -ENOSPC;
}
