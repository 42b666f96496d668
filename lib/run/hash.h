/* SPDX-License-Identifier: MPL-2.0 */
/* SHA-256, and the home of libcrypto: names for what is compiled, proof that it is whole,
 * signatures of messages. */
#ifndef LOADS_RUN_HASH_H
#define LOADS_RUN_HASH_H

#include "base/macros.h"

#define HASH_BYTES     32
#define HASH_HEX_BYTES (2 * HASH_BYTES + 1)

struct hash;

/* -ENOMEM. */
int hash_new(struct hash **ret) _must_check_;
struct hash *hash_free(struct hash *hash);
DEFINE_CLEANUP(struct hash, hash_free)

/* Adds bytes. What goes wrong is kept and told by hash_finish(). */
void hash_add(struct hash *hash, const void *bytes, size_t size);

/* Adds a text with its length, so that ("ab", "c") and ("a", "bc") differ. */
void hash_add_text(struct hash *hash, const char *text);

/* The sum; the hash takes no more after that. -EIO: libcrypto failed. */
int hash_finish(struct hash *hash, unsigned char ret[static HASH_BYTES]) _must_check_;

/* HMAC-SHA256. -EIO, -ENOMEM. */
int hash_hmac(const void *key, size_t key_size, const void *bytes, size_t size,
              unsigned char ret[static HASH_BYTES]) _must_check_;

/* Small letters and a NUL. Returns `ret`. */
const char *hash_hex(const unsigned char sum[static HASH_BYTES], char ret[static HASH_HEX_BYTES]);

#endif
