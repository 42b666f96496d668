/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/spec.h"

#define ID "0f8fad5b-d9cb-469f-a165-70867728950e"

static const char least[] = "{\"run_id\":\"" ID "\",\"fqn\":\"m.A.t\",\"users\":[1],\"hits\":[1],"
                            "\"grace_usec\":0,\"http_timeout_usec\":30000000,"
                            "\"stack_size_bytes\":262144,\"insecure\":false,\"detail\":false}";

/* Text with the first `from` replaced by `to`. */
static const char *with(const char *text, const char *from, const char *to)
{
    static char result[4096];
    const char *place = strstr(text, from);
    assert_non_null(place);
    (void)snprintf(result, sizeof result, "%.*s%s%s", (int)(place - text), text, to,
                   place + strlen(from));
    return result;
}

static int decode(const char *text, struct run_spec **ret, struct error *error)
{
    return run_spec_decode(text, strlen(text), ret, error);
}

static void test_least(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    _cleanup_free_ char *text = NULL;
    struct error error;

    assert_int_equal(decode(least, &spec, &error), 0);
    assert_string_equal(spec->run_id, ID);
    assert_string_equal(spec->fqn.module, "m");
    assert_int_equal(spec->users.count, 1);
    assert_int_equal(spec->module_paths.count, 0);
    assert_int_equal(run_spec_encode(spec, &text, &error), 0);
    assert_string_equal(text, least);
}

static void test_everything_there_and_back(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *back = NULL;
    _cleanup_free_ char *text = NULL;

    assert_int_equal(run_spec_new(&spec), 0);
    strcpy(spec->run_id, ID);
    assert_int_equal(fqn_parse("path.to.m.Suite.test", &spec->fqn, NULL), 0);
    assert_int_equal(parse_numbers("10:20:1000000000", &spec->users, NULL), 0);
    spec->duration_usec = 90000001;
    spec->grace_usec = 1;
    spec->http_timeout_usec = 1000;
    spec->stack_size_bytes = SPEC_MAX_STACK_BYTES;
    assert_int_equal(strlist_add(&spec->module_paths, "/cache/\"x\".so"), 0);
    spec->test_dir = strdup("/home/é");
    spec->server_url = strdup("ws://localhost:9000/ws");
    spec->user_id = strdup("someone");
    spec->project_name = strdup("project");
    spec->detail = true;
    spec->ca_file = strdup("keys/ca..pem");
    spec->http.cert_file = strdup("/keys/me.pem");
    spec->http.key_file = strdup("keys/me.key");
    spec->http.tls_min = strdup("1.3");
    spec->http.http2 = spec->http.no_dns_resolve = true;
    spec->http.proxy = strdup("http://me:hush@h:1");
    spec->http.no_proxy = strdup("a,b");
    assert_int_equal(strlist_add(&spec->http.resolve, "a:1:::1,127.0.0.1"), 0);
    spec->http.source_address = strdup("127.0.0.1,::1");
    spec->http.connections = strdup("request");
    spec->http.max_redirects = spec->http.max_body_bytes = 0;
    spec->workers = SPEC_MAX_WORKERS;
    spec->cflags = strdup("-DX='a b'");
    spec->libs = strdup("-lm");
    assert_int_equal(strlist_add(&spec->tags, "a=b"), 0);
    assert_int_equal(strlist_add(&spec->tags, "c="), 0);
    assert_int_equal(strlist_add(&spec->python_deps, "requests[socks]>=2,<3"), 0);
    assert_int_equal(strlist_add(&spec->python_deps, "own.whl"), 0);
    spec->no_patching = spec->debug_http = spec->single = true;
    spec->seed = SPEC_MAX_SEED;
    spec->pace = strdup("uniform:1:2");

    assert_int_equal(run_spec_encode(spec, &text, NULL), 0);
    assert_int_equal(decode(text, &back, NULL), 0);
    assert_memory_equal(&back->fqn, &spec->fqn, sizeof spec->fqn);
    assert_int_equal(back->users.count, 3);
    assert_int_equal(back->users.values[2], 1000000000);
    assert_int_equal(back->hits.count, 0);
    assert_true(back->duration_usec == 90000001 && back->grace_usec == 1);
    assert_true(back->http_timeout_usec == 1000 && back->stack_size_bytes == SPEC_MAX_STACK_BYTES);
    assert_int_equal(back->module_paths.count, 1);
    assert_string_equal(back->module_paths.items[0], "/cache/\"x\".so");
    assert_string_equal(back->test_dir, "/home/é");
    assert_string_equal(back->server_url, "ws://localhost:9000/ws");
    assert_string_equal(back->user_id, "someone");
    assert_string_equal(back->project_name, "project");
    assert_int_equal(back->tags.count, 2);
    assert_string_equal(back->tags.items[1], "c=");
    assert_int_equal(back->python_deps.count, 2);
    assert_string_equal(back->python_deps.items[0], "requests[socks]>=2,<3");
    assert_true(back->no_patching && back->debug_http && back->single);
    assert_true(back->seed == SPEC_MAX_SEED);
    assert_string_equal(back->pace, "uniform:1:2");
    assert_true(back->detail);
    assert_string_equal(back->ca_file, "keys/ca..pem");
    assert_string_equal(back->http.cert_file, "/keys/me.pem");
    assert_string_equal(back->http.key_file, "keys/me.key");
    assert_int_equal(spec_http_tls_min(&back->http), 13);
    assert_true(back->http.http2 && back->http.no_dns_resolve);
    assert_string_equal(back->http.proxy, "http://me:hush@h:1");
    assert_string_equal(back->http.no_proxy, "a,b");
    assert_int_equal(back->http.resolve.count, 1);
    assert_string_equal(back->http.source_address, "127.0.0.1,::1");
    assert_int_equal(spec_http_connections(&back->http), CONNECTIONS_REQUEST);
    assert_true(back->http.max_redirects == 0 && back->http.max_body_bytes == 0);
    assert_true(back->workers == SPEC_MAX_WORKERS);
    assert_string_equal(back->cflags, "-DX='a b'");
    assert_string_equal(back->libs, "-lm");
}

static void test_resolve(void **state _unused_)
{
    static const struct {
        const char *text, *host, *last;
        unsigned port, count;
    } good[] = {
        {"a.Test:80:127.0.0.1", "a.test", "127.0.0.1", 80, 1},
        {"*:443:127.0.0.1,[::1]", "*", "::1", 443, 2},
        {"[::1]:8080:127.0.0.1", "::1", "127.0.0.1", 8080, 1},
        {"a:65535:0:0::1", "a", "::1", 65535, 1},
    };
    static const char *const bad[] = {
        "",
        "a",
        ":80:::1",
        "a:80",
        "a:80:",
        "a:0:::1",
        "a:65536:::1",
        "a:x:::1",
        "a:80:b",
        "a:80:::1,",
        "a:80:,::1",
        "a::::1",
        "[::1]8080:::1",
        "a:80:1.2.3",
        "a:80:[::1",
        "a:00000801234:1.1.1.1",
        "[a]:80:1.1.1.1",
    };
    struct spec_resolve resolve;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        assert_int_equal(spec_http_parse_resolve(good[i].text, &resolve, &error), 0);
        assert_string_equal(resolve.host, good[i].host);
        assert_int_equal(resolve.port, good[i].port);
        assert_int_equal(resolve.count, good[i].count);
        assert_string_equal(resolve.addresses[resolve.count - 1], good[i].last);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(spec_http_parse_resolve(bad[i], &resolve, &error), -EINVAL);
    }
}

/* Of two modules. */
static void test_several(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *back = NULL;
    _cleanup_free_ char *text = NULL;
    char name[SPEC_NAME_BYTES];

    assert_int_equal(decode(with(least, "\"fqn\":\"m.A.t\"",
                                 "\"fqn\":\"m.A.t:3 n.A.t m.A.u\","
                                 "\"module_paths\":[\"/m.so\",\"/n.so\"]"),
                            &spec, NULL),
                     0);
    assert_string_equal(run_spec_tests(spec), "m.A.t:3 n.A.t m.A.u");
    assert_int_equal(spec->mix->n_modules, 2);
    assert_string_equal(spec->fqn.text, "m.A.t");
    run_spec_test_name(spec, name);
    assert_string_equal(name, "m.A.t");
    assert_int_equal(run_spec_encode(spec, &text, NULL), 0);
    assert_int_equal(decode(text, &back, NULL), 0);
    assert_string_equal(run_spec_tests(back), run_spec_tests(spec));
    assert_string_equal(back->module_paths.items[1], "/n.so");
    assert_int_equal(run_spec_set_fqn(back, "n.A.t", NULL), 0);
    assert_null(back->mix);
}

static void test_secrets_of_urls(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *back = NULL;
    _cleanup_free_ char *text = NULL;

    assert_int_equal(
        decode(with(least, "\"hits\"", "\"server_url\":\"http://me:hush@h/x\",\"hits\""), &spec,
               NULL),
        0);
    assert_int_equal(run_spec_encode_shown(spec, &text, NULL), 0);
    assert_null(strstr(text, "hush"));
    assert_int_equal(decode(text, &back, NULL), 0);
    assert_string_equal(back->server_url, "http://***@h/x");
    assert_string_equal(back->fqn.text, spec->fqn.text);
    assert_true(run_spec_lacks_secrets(back) && !run_spec_lacks_secrets(spec));
}

static void test_url(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    struct error error;

    assert_int_equal(
        decode(with(least, "\"fqn\":\"m.A.t\"", "\"url\":\"http://h/\""), &spec, &error), 0);
    assert_string_equal(spec->url, "http://h/");
    assert_int_equal(spec->fqn.text[0], '\0');
}

/* Whoever executes the test knows what its name means. */
static void test_runner_of_others(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *back = NULL, *known = NULL;
    _cleanup_free_ char *text = NULL;
    char name[SPEC_NAME_BYTES];

    assert_int_equal(decode(with(least, "\"fqn\":\"m.A.t\"",
                                 "\"fqn\":\"a b/test.js\",\"test_runner\":\"mocha {test}\","
                                 "\"test_runner_self\":true,\"external_timeout_usec\":1000"),
                            &spec, NULL),
                     0);
    assert_string_equal(spec->test_runner, "mocha {test}");
    assert_true(spec->test_runner_self && spec->external_timeout_usec == 1000);
    assert_string_equal(spec->fqn.text, "a b/test.js");
    assert_string_equal(spec->fqn.module, "");
    run_spec_test_name(spec, name);
    assert_string_equal(name, "a b/test.js");
    assert_int_equal(run_spec_encode(spec, &text, NULL), 0);
    assert_int_equal(decode(text, &back, NULL), 0);
    assert_string_equal(back->fqn.text, "a b/test.js");
    assert_true(back->test_runner_self);
    assert_int_equal(decode(with(least, "\"fqn\"", "\"test_runner\":\"x\",\"fqn\""), &known, NULL),
                     0);
    assert_string_equal(known->fqn.module, "m");
    run_spec_test_name(known, name);
    assert_string_equal(name, "A.t");
}

static void test_wrong_specifications(void **state _unused_)
{
    static const struct {
        const char *from, *to;
        int code;
        const char *error;
    } cases[] = {
        {"{", "[", -EBADMSG, "not JSON: line 1"},
        {"}", "} x", -EBADMSG, "not JSON"},
        {"\"detail\":false", "\"detail\":false,\"detail\":true", -EBADMSG, "not JSON"},
        {"m.A.t", "m.\\u0000.t", -EBADMSG, "not JSON"},
        {"m.A.t", "m.\xFF.t", -EBADMSG, "not JSON"},
        {"\"hits\"", "\"hit\"", -EBADMSG, "unknown key 'hit' (did you mean 'hits'?)"},
        {"\"hits\"", "\"frobnicate\"", -EBADMSG, "unknown key 'frobnicate'"},
        {"\"fqn\":\"m.A.t\"", "\"test_runner\":\"x\",\"fqn\":\"a\\nb\"", -EINVAL,
         "fqn: has control characters in it"},
        {"\"fqn\":\"m.A.t\"", "\"test_runner\":\"x\",\"url\":\"http://h/\"", -EINVAL,
         "test_runner: it is given the name of a test"},
        {"\"hits\"", "\"test_runner\":\"\",\"hits\"", -EINVAL, "test_runner: is empty"},
        {"\"users\":[1],", "", -EBADMSG, "users: is missing"},
        {",\"detail\":false", "", -EBADMSG, "detail: is missing"},
        {"[1]", "1", -EBADMSG, "users: a list of 1 to 100 numbers is expected"},
        {"[1]", "[]", -EBADMSG, "users: a list of 1 to 100 numbers is expected"},
        {"[1]", "[0]", -EBADMSG, "users: numbers from 1 to 1000000000 are expected"},
        {"[1]", "[-1]", -EBADMSG, "users: numbers from"},
        {"[1]", "[1.0]", -EBADMSG, "users: numbers from"},
        {"[1]", "[1000000001]", -EBADMSG, "users: numbers from"},
        {"[1]", "[1,\"x\"]", -EBADMSG, "users: numbers from"},
        {"\"m.A.t\"", "null", -EBADMSG, "fqn: a string is expected"},
        {"\"m.A.t\"", "7", -EBADMSG, "fqn: a string is expected"},
        {"m.A.t", "m.t", -EINVAL, "fqn: 'm.t' has too few parts"},
        {"m.A.t", "../m.A.t", -EINVAL, "fqn: '../m.A.t' has a '/'"},
        {"0f8f", "0F8F", -EINVAL, "run_id: is not a UUID in small letters"},
        {"0f8f", "0f8", -EINVAL, "run_id: is not a UUID"},
        {"0f8f", "0f8f0", -EINVAL, "run_id: is not a UUID"},
        {"-d9cb", "ad9cb", -EINVAL, "run_id: is not a UUID"},
        {"\"grace_usec\":0", "\"grace_usec\":-1", -EBADMSG, "grace_usec: a whole number"},
        {"\"grace_usec\":0", "\"grace_usec\":0.5", -EBADMSG, "grace_usec: a whole number"},
        {"\"grace_usec\":0", "\"grace_usec\":\"0\"", -EBADMSG, "grace_usec: a whole number"},
        {"\"grace_usec\":0", "\"grace_usec\":99999999999999", -EINVAL,
         "grace_usec: 99999999999999 is not"},
        {"\"grace_usec\":0", "\"grace_usec\":99999999999999999999", -EBADMSG, "not JSON"},
        {"30000000", "999", -EINVAL, "http_timeout_usec: 999 is not from 1000 to"},
        {"262144", "100", -EINVAL, "stack_size_bytes: 100 is not from 16384 to 1073741824"},
        {"262144", "1073741825", -EINVAL, "stack_size_bytes: 1073741825 is not"},
        {"\"detail\":false", "\"detail\":0", -EBADMSG, "detail: true or false is expected"},
        {"\"fqn\":\"m.A.t\",", "", -EINVAL, "either fqn or url must be given"},
        {"\"users\"", "\"url\":\"http://h/\",\"users\"", -EINVAL, "either fqn or url must be"},
        {"\"fqn\":\"m.A.t\"", "\"url\":\"ftp://h/\"", -EINVAL, "url: 'ftp://h/' does not begin"},
        {"\"fqn\":\"m.A.t\"", "\"url\":\"ftp://me:hush@h/\"", -EINVAL, "url: 'ftp://***@h/' does"},
        {"\"fqn\":\"m.A.t\"", "\"url\":\"http://h/\\n\"", -EINVAL, "url: has control characters"},
        {"\"fqn\":\"m.A.t\"", "\"url\":\"http://h/\",\"module_paths\":[\"/x\"]", -EINVAL,
         "module_paths: there are none with a url"},
        {"\"hits\"", "\"module_paths\":[\"/x\"],\"python\":\"/p\",\"hits\"", -EINVAL,
         "module_paths: there are none with a test in Python"},
        {"\"hits\"", "\"module_paths\":[\"/x\",\"/y\"],\"hits\"", -EINVAL,
         "module_paths: 2 are given, of 1"},
        {"\"hits\"", "\"module_paths\":[\"x\"],\"hits\"", -EINVAL,
         "module_paths: 'x' is not an absolute path"},
        {"\"hits\"", "\"module_paths\":\"/x\",\"hits\"", -EBADMSG, "module_paths: a list of"},
        {"\"hits\":[1],", "", -EINVAL, "either hits or duration_usec must be given"},
        {"\"hits\"", "\"duration_usec\":5,\"hits\"", -EINVAL, "either hits or duration_usec must"},
        {"\"hits\"", "\"test_dir\":\"x\",\"hits\"", -EINVAL,
         "test_dir: 'x' is not an absolute path"},
        {"\"hits\"", "\"user_id\":\"\",\"hits\"", -EINVAL, "user_id: is empty"},
        {"\"hits\"", "\"ca_file\":\"a/../../x\",\"hits\"", -EINVAL,
         "ca_file: 'a/../../x' leads out of the test's directory"},
        {"\"hits\"", "\"key_file\":\"a\",\"hits\"", -EINVAL, "key_file: it needs cert_file"},
        {"\"hits\"", "\"proxy\":\"ftp://me:hush@h\",\"hits\"", -EINVAL,
         "proxy: 'ftp://***@h' begins with none of"},
        {"\"hits\"", "\"no_proxy\":\"a\",\"hits\"", -EINVAL, "no_proxy: it needs proxy"},
        {"\"hits\"", "\"resolve\":[\"a\"],\"hits\"", -EINVAL, "resolve: 'a' is not HOST:PORT"},
        {"\"hits\"", "\"source_address\":\"a\",\"hits\"", -EINVAL, "source_address: 'a' is not"},
        {"\"hits\"", "\"connections\":\"a\",\"hits\"", -EINVAL, "connections: 'a' is none of"},
        {"\"hits\"", "\"max_redirects\":1001,\"hits\"", -EINVAL, "max_redirects: 1001 is not"},
        {"\"hits\"", "\"tls_min\":\"1\",\"hits\"", -EINVAL, "tls_min: '1' is neither 1.2 nor 1.3"},
        {"\"fqn\"", "\"test_runner\":\"x\",\"http2\":true,\"fqn\"", -EINVAL,
         "http2: it is for tests in C and for URLs"},
        {"\"hits\"", "\"cflags\":\"-DX\\n\",\"hits\"", -EINVAL, "cflags: has control"},
        {"\"hits\"", "\"workers\":1025,\"hits\"", -EINVAL, "workers: 1025 is not from 1 to 1024"},
        {"\"hits\"", "\"seed\":9007199254740992,\"hits\"", -EINVAL,
         "seed: 9007199254740992 is not from 1 to 9007199254740991"},
        {"\"hits\"", "\"pace\":\"uniform:1\",\"hits\"", -EINVAL,
         "pace: 'uniform:1' is none of TIME"},
        {"\"fqn\"", "\"test_runner\":\"x\",\"pace\":\"1\",\"fqn\"", -EINVAL,
         "pace: it is for tests in C and for URLs"},
        {"\"hits\"", "\"tags\":\"a=b\",\"hits\"", -EBADMSG, "tags: a list of at most 100 strings"},
        {"\"hits\"", "\"python_deps\":[\"--pre\"],\"hits\"", -EINVAL,
         "python_deps: '--pre' is neither"},
        {"\"hits\"", "\"python_deps\":[\"git+https://a/b\"],\"hits\"", -EINVAL,
         "python_deps: is a URL"},
        {"\"hits\"", "\"python_deps\":[\"../a.whl\"],\"hits\"", -EINVAL,
         "python_deps: '../a.whl' leads out of the test's directory"},
        {"\"hits\"", "\"python\":\"python3\",\"hits\"", -EINVAL,
         "python: 'python3' is not an absolute"},
        {"\"hits\"", "\"tags\":[1],\"hits\"", -EBADMSG, "tags: strings are expected"},
        {"\"hits\"", "\"tags\":[\"a\"],\"hits\"", -EINVAL, "tags: 'a' is not key=value"},
    };
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct run_spec *spec = NULL;
        int r = decode(with(least, cases[i].from, cases[i].to), &spec, &error);
        assert_int_equal(r, cases[i].code);
        assert_null(spec);
        assert_ptr_equal(strstr(error.text, cases[i].error), error.text);
    }
}

static void test_limits_of_size(void **state _unused_)
{
    _cleanup_free_ char *long_text = malloc(SPEC_MAX_BYTES + 1);
    struct run_spec *spec = NULL;
    struct error error;
    char key[400];

    assert_non_null(long_text);
    memset(long_text, ' ', SPEC_MAX_BYTES + 1);
    assert_int_equal(run_spec_decode(long_text, SPEC_MAX_BYTES + 1, &spec, &error), -E2BIG);
    assert_int_equal(run_spec_decode(long_text, SPEC_MAX_BYTES, &spec, &error), -EBADMSG);
    assert_int_equal(run_spec_decode("", 0, &spec, &error), -EBADMSG);
    assert_int_equal(run_spec_decode("[]", 2, &spec, &error), -EBADMSG);
    assert_string_equal(error.text, "not a JSON object");

    memset(key, 0, sizeof key);
    strcpy(key, "\"user_id\":\"");
    memset(key + strlen(key), 'x', SPEC_MAX_NAME_BYTES + 1);
    strcat(key, "\",\"hits\"");
    assert_int_equal(decode(with(least, "\"hits\"", key), &spec, &error), -EINVAL);
    assert_string_equal(error.text, "user_id: has 256 bytes, of 255 at most");
    assert_null(spec);
}

/* Nothing is written that could not be read again. */
static void test_encode_refuses(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    char *text = NULL;
    struct error error;

    assert_int_equal(decode(least, &spec, NULL), 0);
    spec->user_id = strdup("\xC3");
    assert_int_equal(run_spec_encode(spec, &text, &error), -EINVAL);
    assert_string_equal(error.text, "user_id: is not text in UTF-8");
    free(TAKE_PTR(spec->user_id));
    spec->users.values[0] = 0;
    assert_int_equal(run_spec_encode(spec, &text, &error), -EINVAL);
    assert_string_equal(error.text, "users: 0 is not from 1 to 1000000000");
    spec->users.count = 0;
    assert_int_equal(run_spec_encode(spec, &text, &error), -EINVAL);
    assert_string_equal(error.text, "users: 1 to 100 numbers are expected");
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_everything_there_and_back),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_secrets_of_urls),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_runner_of_others),
        cmocka_unit_test(test_wrong_specifications),
        cmocka_unit_test(test_limits_of_size),
        cmocka_unit_test(test_encode_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
