/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes in base64 (RFC 4648, with '+', '/' and '='), as JSON carries them. */
#ifndef LOADS_BASE_BASE64_H
#define LOADS_BASE_BASE64_H

#include <stdint.h>

#include "base/macros.h"

/* A text, malloc'ed, the caller's. -ENOMEM. */
int base64_encode(const void *bytes, size_t size, char **ret) _must_check_;

/* Bytes (malloc'ed, the caller's; not NULL when there are none) of `size` letters. Line ends are
 * left out. -EBADMSG: another letter, a group that isn't whole, bits that stand for nothing;
 * -ENOMEM. */
int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size) _must_check_;

#endif
