/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates of TLS and their private keys, in PEM files. */
#ifndef LOADS_RUN_CERTIFICATE_H
#define LOADS_RUN_CERTIFICATE_H

#include "base/error.h"
#include "base/macros.h"

/* Whether a private key is the one of a certificate: the first in its file, behind which may be
 * those of authorities. Both can be in one file. -EINVAL: it is another's, or one of them can't be
 * understood; -errno of opening a file. Nobody is asked for the passphrase of an encrypted key. */
int certificate_check_key(const char *certificate_path, const char *key_path, struct error *error)
    _must_check_;

#endif
