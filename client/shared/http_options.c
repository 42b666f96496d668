/* SPDX-License-Identifier: MPL-2.0 */
/* What is in files is looked at before anything starts, or each connection would fail on it. Who
 * else can read a private key is nobody's business but its owner's, so such a file is refused. */
#include "shared/http_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "loop/proxy.h"
#include "run/certificate.h"

#define HTTP "HTTP and TLS"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

static int check_tls(const char *text, void *field _unused_, struct error *error)
{
    return spec_http_check_tls(text, error);
}

static int check_proxy(const char *text, void *field _unused_, struct error *error)
{
    _cleanup_(proxy_freep) struct proxy *proxy = NULL;
    int r = spec_http_check_proxy(text, error);

    return r < 0 ? r : proxy_new(&proxy, text, error);
}

static int check_no_proxy(const char *text, void *field _unused_, struct error *error)
{
    return run_spec_check_text(text, SPEC_MAX_WORDS_BYTES, error);
}

static int check_resolve(const char *text, void *field _unused_, struct error *error)
{
    struct spec_resolve resolve;
    int r = run_spec_check_text(text, SPEC_MAX_TAG_BYTES, error);

    return r < 0 ? r : spec_http_parse_resolve(text, &resolve, error);
}

static int check_addresses(const char *text, void *field _unused_, struct error *error)
{
    char address[INET6_ADDRSTRLEN];
    int r = run_spec_check_text(text, SPEC_MAX_WORDS_BYTES, error);

    if (r < 0) {
        return r;
    }
    do {
        r = spec_http_next_address(&text, address, error);
    } while (r > 0);
    return r;
}

static int check_connections(const char *text, void *field _unused_, struct error *error)
{
    return spec_http_check_connections(text, error);
}

static int parse_redirects(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 0, SPEC_MAX_REDIRECTS, field, error);
}

static int parse_body(const char *text, void *field, struct error *error)
{
    uint64_t bytes;
    int r = parse_size(text, &bytes, error);

    if (r == 0 && bytes > SPEC_MAX_BODY_BYTES) {
        r = error_set(error, -EINVAL, "'%s' is more than 1024G", text);
    }
    if (r == 0) {
        *(uint64_t *)field = bytes;
    }
    return r;
}

#define FIELD(field_) .offset = offsetof(struct http_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "ca-file", .kind = CONF_STRING, FIELD(ca_file), .metavar = "FILE",
     .where = EVERYWHERE, .group = HTTP,
     .help = "Trust the certificates in this PEM file instead of the system's."},
    {.name = "insecure", .kind = CONF_FLAG, FIELD(insecure), .where = EVERYWHERE, .group = HTTP,
     .help = "Take any certificate."},
    {.name = "cert", .kind = CONF_STRING, FIELD(cert), .metavar = "FILE", .where = EVERYWHERE,
     .group = HTTP, .help = "Show servers the certificate in this PEM file."},
    {.name = "key", .kind = CONF_STRING, FIELD(key), .metavar = "FILE", .where = EVERYWHERE,
     .group = HTTP, .help = "Its private key, unless that is in the same file."},
    {.name = "tls-min", .kind = CONF_STRING, FIELD(tls_min), .metavar = "VERSION",
     .parse = check_tls, .where = EVERYWHERE, .group = HTTP,
     .help = "The oldest version of TLS that will do, 1.2 or 1.3."},
    {.name = "http2", .kind = CONF_FLAG, FIELD(http2), .where = EVERYWHERE, .group = HTTP,
     .help = "Speak HTTP/2 where an https:// server can, and to all http:// ones."},
    {.name = "proxy", .kind = CONF_STRING, FIELD(proxy), .metavar = "URL", .parse = check_proxy,
     .where = EVERYWHERE | CONF_URL, .group = HTTP,
     .help = "Connect by this proxy: http, https, socks5 or socks5h://[USER:PASSWORD@]HOST:PORT."},
    {.name = "no-proxy", .kind = CONF_STRING, FIELD(no_proxy), .metavar = "HOST[,HOST...]",
     .parse = check_no_proxy, .where = EVERYWHERE, .group = HTTP,
     .help = "Connect to these without it: names, those below them, addresses, a.b.c.d/N."},
    {.name = "resolve", .kind = CONF_LIST, FIELD(resolve), .metavar = "HOST:PORT:ADDRESS",
     .parse = check_resolve, .where = EVERYWHERE, .group = HTTP,
     .help = "Where this host is, at this port; more addresses with commas; may be repeated."},
    {.name = "no-dns-resolve", .kind = CONF_FLAG, FIELD(no_dns_resolve), .where = EVERYWHERE,
     .group = HTTP, .help = "Keep no addresses: look hosts up for each request."},
    {.name = "source-address", .kind = CONF_STRING, FIELD(source_address),
     .metavar = "ADDRESS[,...]", .parse = check_addresses, .where = EVERYWHERE, .group = HTTP,
     .help = "Connect from these addresses of this machine, users in turn."},
    {.name = "connections", .kind = CONF_STRING, FIELD(connections), .metavar = "HOW",
     .parse = check_connections, .where = EVERYWHERE, .group = HTTP,
     .help = "Keep users' connections (keep), per iteration, or per request (default keep)."},
    {.name = "max-redirects", .kind = CONF_VALUE, FIELD(max_redirects), .metavar = "N",
     .parse = parse_redirects, .where = EVERYWHERE, .group = HTTP,
     .help = "How many a request follows; one more is an error, and 0 follows none (default 30)."},
    {.name = "max-body", .kind = CONF_VALUE, FIELD(max_body_bytes), .metavar = "SIZE",
     .parse = parse_body, .where = EVERYWHERE, .group = HTTP,
     .help = "How much of an answer's body is kept; the rest is cut (default 64M)."},
};
/* clang-format on */

const struct conf_rows http_option_rows = {rows, ELEMENTSOF(rows)};

/* ---- files ----------------------------------------------------------------------------------- */

enum { CERTIFICATE = 1, KEY = 2, ENCRYPTED_KEY = 4 };

/* What a PEM file has in it, as bits. -errno. */
static int look_into(FILE *file)
{
    char line[128];
    int found = 0;

    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "-----BEGIN ", 11) == 0) {
            found |= strstr(line, "CERTIFICATE-----") ? CERTIFICATE : 0;
            found |= strstr(line, "PRIVATE KEY-----") ? KEY : 0;
            found |= strstr(line, "ENCRYPTED PRIVATE KEY-----") ? ENCRYPTED_KEY : 0;
        }
        found |= strncmp(line, "Proc-Type: 4,ENCRYPTED", 22) == 0 ? ENCRYPTED_KEY : 0;
    }
    return !ferror(file) ? found : errno > 0 ? -errno : -EIO;
}

/* Its absolute path, and in *ret_found what it has. */
static int find_file(const char *option, const char *name, char **ret, int *ret_found,
                     struct error *error)
{
    _cleanup_file_ FILE *file = fopen(name, "re");
    _cleanup_free_ char *path = file ? realpath(name, NULL) : NULL;
    struct stat status;

    if (!path) {
        return error_set_errno(error, -errno, "cannot read --%s %s", option, name);
    }
    int found = look_into(file);
    if (found < 0) {
        return error_set_errno(error, found, "cannot read --%s %s", option, name);
    }
    if (found & ENCRYPTED_KEY) {
        return error_set(error, -EINVAL,
                         "--%s %s: the key is encrypted, and workers can't be asked for its "
                         "passphrase; give one without, such as 'openssl pkey -in %s' writes",
                         option, name, name);
    }
    if (found & KEY && fstat(fileno(file), &status) == 0 && status.st_mode & 077) {
        return error_set(error, -EPERM,
                         "--%s %s has a private key in it, and others than its owner may read it: "
                         "chmod 600 %s",
                         option, name, name);
    }
    *ret = TAKE_PTR(path);
    *ret_found = found;
    return 0;
}

static int find_certificate(const char *option, const char *name, char **ret, int *ret_found,
                            struct error *error)
{
    int r = find_file(option, name, ret, ret_found, error);

    return r < 0 || *ret_found & CERTIFICATE
               ? r
               : error_set(error, -EINVAL, "--%s %s has no certificate in PEM form in it", option,
                           name);
}

static int find_files(const struct http_options *options, struct run_spec *spec,
                      struct error *error)
{
    int found = 0, r = 0;

    if (options->key && !options->cert) {
        return error_set(error, -EINVAL, "--key needs --cert, the certificate that it belongs to");
    }
    if (options->ca_file) {
        r = find_certificate("ca-file", options->ca_file, &spec->ca_file, &found, error);
    }
    if (r == 0 && options->cert) {
        r = find_certificate("cert", options->cert, &spec->http.cert_file, &found, error);
    }
    if (r == 0 && options->key) {
        r = find_file("key", options->key, &spec->http.key_file, &found, error);
    }
    if (r == 0 && options->cert && !(found & KEY)) {
        return options->key
                   ? error_set(error, -EINVAL, "--key %s has no private key in PEM form in it",
                               options->key)
                   : error_set(error, -EINVAL,
                               "--cert %s has no private key in it: --key says where "
                               "that is",
                               options->cert);
    }
    if (r == 0 && options->cert) {
        const char *key = spec->http.key_file ? spec->http.key_file : spec->http.cert_file;
        r = certificate_check_key(spec->http.cert_file, key, error);
    }
    return r;
}

/* ---- the specification ----------------------------------------------------------------------- */

static int copy_string(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

void http_options_init(struct http_options *options)
{
    *options = (struct http_options){.max_redirects = SPEC_DEFAULT_REDIRECTS,
                                     .max_body_bytes = SPEC_DEFAULT_BODY_BYTES};
}

int http_options_spec(const struct http_options *options, struct run_spec *spec,
                      struct error *error)
{
    int r = find_files(options, spec, error);

    if (r == 0 && options->no_proxy && !options->proxy) {
        r = error_set(error, -EINVAL, "--no-proxy needs --proxy");
    }
    if (r < 0) {
        return r;
    }
    spec->insecure = options->insecure;
    spec->http.http2 = options->http2;
    spec->http.no_dns_resolve = options->no_dns_resolve;
    spec->http.max_redirects = options->max_redirects;
    spec->http.max_body_bytes = options->max_body_bytes;
    const char *from[] = {options->tls_min, options->proxy, options->no_proxy,
                          options->source_address, options->connections};
    char **to[] = {&spec->http.tls_min, &spec->http.proxy, &spec->http.no_proxy,
                   &spec->http.source_address, &spec->http.connections};
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(to); i++) {
        r = copy_string(to[i], from[i]);
    }
    for (size_t i = 0; r == 0 && i < options->resolve.count; i++) {
        r = strlist_add(&spec->http.resolve, options->resolve.items[i]);
    }
    return r < 0 ? error_set_errno(error, r, "cannot describe the run") : 0;
}
