/* SPDX-License-Identifier: MPL-2.0 */
/* By libcrypto, which says itself what it does not understand. */
#include "run/certificate.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define REASON_BYTES 128

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)

/* libcrypto's first reason, which is the cause of the others. */
static int cannot(const char *what, const char *path, struct error *error)
{
    unsigned long code = ERR_get_error();
    const char *reason = code > 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return error_set(error, -EINVAL, "cannot understand the %s in %s: %s", what, path,
                     reason ? reason : "it is damaged");
}

static int no_passphrase(char *buffer _unused_, int size _unused_, int writing _unused_,
                         void *context _unused_)
{
    return -1;
}

int certificate_check_key(const char *certificate_path, const char *key_path, struct error *error)
{
    _cleanup_file_ FILE *certificate_file = fopen(certificate_path, "re");
    if (!certificate_file) {
        return error_set_errno(error, -errno, "cannot read %s", certificate_path);
    }
    _cleanup_file_ FILE *key_file = fopen(key_path, "re");
    if (!key_file) {
        return error_set_errno(error, -errno, "cannot read %s", key_path);
    }
    ERR_clear_error();
    _cleanup_(X509_freep) X509 *certificate =
        PEM_read_X509(certificate_file, NULL, no_passphrase, NULL);
    if (!certificate) {
        return cannot("certificate", certificate_path, error);
    }
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
        PEM_read_PrivateKey(key_file, NULL, no_passphrase, NULL);
    if (!key) {
        return cannot("private key", key_path, error);
    }
    if (X509_check_private_key(certificate, key) != 1) {
        ERR_clear_error();
        return error_set(error, -EINVAL,
                         "the private key in %s is not that of the certificate in %s", key_path,
                         certificate_path);
    }
    return 0;
}
