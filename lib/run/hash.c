/* SPDX-License-Identifier: MPL-2.0 */
/* SHA-256 from libcrypto, which libwebsockets and libcurl bring along anyway. Its errors come one
 * per call; here they stick, so that adding needs no check at each place. */
#include "run/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HMAC_BLOCK_BYTES 64 /* of SHA-256 */

struct hash {
    EVP_MD_CTX *context;
    bool failed;
};

int hash_new(struct hash **ret)
{
    _cleanup_(hash_freep) struct hash *hash = calloc(1, sizeof *hash);
    if (!hash) {
        return -ENOMEM;
    }
    hash->context = EVP_MD_CTX_new();
    if (!hash->context || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
        return -ENOMEM;
    }
    *ret = TAKE_PTR(hash);
    return 0;
}

struct hash *hash_free(struct hash *hash)
{
    if (hash) {
        EVP_MD_CTX_free(hash->context);
        free(hash);
    }
    return NULL;
}

void hash_add(struct hash *hash, const void *bytes, size_t size)
{
    if (EVP_DigestUpdate(hash->context, bytes, size) != 1) {
        hash->failed = true;
    }
}

void hash_add_text(struct hash *hash, const char *text)
{
    uint64_t size = strlen(text);
    hash_add(hash, &size, sizeof size);
    hash_add(hash, text, size);
}

int hash_finish(struct hash *hash, unsigned char ret[static HASH_BYTES])
{
    unsigned size = 0;
    if (EVP_DigestFinal_ex(hash->context, ret, &size) != 1 || size != HASH_BYTES) {
        hash->failed = true;
    }
    return hash->failed ? -EIO : 0;
}

/* The sum of two pieces. */
static int sum_of(const void *first, size_t first_size, const void *second, size_t second_size,
                  unsigned char ret[static HASH_BYTES])
{
    _cleanup_(hash_freep) struct hash *hash = NULL;
    int r = hash_new(&hash);

    if (r < 0) {
        return r;
    }
    hash_add(hash, first, first_size);
    hash_add(hash, second, second_size);
    return hash_finish(hash, ret);
}

/* RFC 2104. */
int hash_hmac(const void *key, size_t key_size, const void *bytes, size_t size,
              unsigned char ret[static HASH_BYTES])
{
    unsigned char block[HMAC_BLOCK_BYTES] = {0}, pad[HMAC_BLOCK_BYTES], inner[HASH_BYTES];
    static const unsigned char inner_pad = 0x36, outer_pad = 0x5c;
    int r = 0;

    if (key_size > sizeof block) {
        r = sum_of(key, key_size, NULL, 0, block);
    } else {
        memcpy(block, key, key_size);
    }
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] = block[i] ^ inner_pad;
    }
    r = r == 0 ? sum_of(pad, sizeof pad, bytes, size, inner) : r;
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] = block[i] ^ outer_pad;
    }
    r = r == 0 ? sum_of(pad, sizeof pad, inner, sizeof inner, ret) : r;
    explicit_bzero(block, sizeof block);
    explicit_bzero(pad, sizeof pad);
    return r;
}

const char *hash_hex(const unsigned char sum[static HASH_BYTES], char ret[static HASH_HEX_BYTES])
{
    for (size_t i = 0; i < HASH_BYTES; i++) {
        (void)snprintf(ret + 2 * i, 3, "%02x", sum[i]);
    }
    return ret;
}
