/* SPDX-License-Identifier: MPL-2.0 */
/* A broker's public key is believed once, and from then on only who has it is taken for that broker
 * (ssh does the same with hosts). It comes from a person, or from the broker itself over a
 * connection that anybody in between could have changed: then a person has to say that it is the
 * right one. The file is named as in keygen, since there is more than one for whom it may be: all
 * users of a machine (as with ssh_known_hosts), or a service, whose credential it is. */
#include "keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "remote/status.h"
#include "run/identity.h"
#include "run/question.h"

#define WAIT_SEC 5.0

static enum exit_code fail(int code, const struct error *error)
{
    log_error("%s", error->text);
    return code == -EINVAL || code == -EEXIST ? EXIT_USAGE
           : code == -EHOSTUNREACH            ? EXIT_NO_BROKER
                                              : EXIT_FAILED;
}

/* By default a broker says its key on the port before its frontend's. */
static int introduction_of(const char *address, char **ret, struct error *error)
{
    const char *colon = strrchr(address, ':');
    uint64_t port;

    if (strncmp(address, "tcp://", 6) != 0 || !colon || colon < address + 6 ||
        parse_unsigned(colon + 1, 2, UINT16_MAX, &port, NULL) < 0) {
        return error_set(error, -EINVAL,
                         "'%.200s' is no address such as tcp://box1:7780: only those have keys",
                         address);
    }
    if (asprintf(ret, "%.*s:%" PRIu64, (int)(colon - address), address, port - 1) < 0) {
        *ret = NULL;
        return error_set_errno(error, -ENOMEM, "trust");
    }
    return 0;
}

/* What the broker says. */
static int ask_broker(const char *introduction, struct mq_key *ret, struct error *error)
{
    _cleanup_(strlist_clear) struct strlist addresses = {.count = 0};
    const struct question question = {
        .addresses = &addresses, .command = "INTRODUCE", .wait_sec = WAIT_SEC};
    _cleanup_(json_decrefp) json_t *answer = NULL;
    int r = strlist_add(&addresses, introduction);

    r = r < 0 ? error_set_errno(error, r, "trust") : question_ask(&question, &answer, error);
    if (r == 0) {
        return error_set(error, -EHOSTUNREACH,
                         "no broker says its key at %s (its option 'introduction'; --introduction "
                         "says where else): what its log says when it starts can be given, too",
                         introduction);
    }
    const char *text = json_string_value(json_object_get(answer, "public_key"));
    if (r > 0 && (!text || !mq_key_parse(text, ret))) {
        r = error_set(error, -EBADMSG, "what answers at %s is no broker", introduction);
    }
    return r < 0 ? r : 0;
}

/* Whether a person says so. */
static bool confirm(const char *address, const struct mq_key *key, bool yes)
{
    char line[16];

    (void)fprintf(stderr, "The broker at %s says that its public key is\n\n    %s\n\n", address,
                  key->text);
    if (yes) {
        return true;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        log_error("whether that is true a person must say, on a terminal, or --yes");
        return false;
    }
    (void)fputs(
        "It says the same in its log, and to 'loadsctl ping' on its machine. Is it the same? "
        "[y/N] ",
        stderr);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static enum exit_code believe(const struct ctl_options *options, const char *key)
{
    const char *address = options->words.items[0];
    struct error error = {0};
    int r = identity_trust(options->file, address, key, &error);

    if (r < 0) {
        return fail(r, &error);
    }
    if (options->json) {
        _cleanup_(json_decrefp) json_t *document =
            json_pack("{ss ss sb}", "address", address, "public_key", key, "added", r);
        return status_print_json(document);
    }
    (void)printf("The broker at %s is %s by this key.\n", address,
                 r > 0 ? "known now" : "known already"); /* main() looks at stdout */
    return EXIT_PASSED;
}

enum exit_code verb_trust(const struct ctl_options *options)
{
    const struct strlist *words = &options->words;
    _cleanup_free_ char *made = NULL;
    struct error error = {0};
    struct mq_key key;

    if (words->count < 1 || words->count > 2) {
        log_error("ADDRESS, or ADDRESS PUBLICKEY, is expected; try 'loadsctl trust --help'");
        return EXIT_USAGE;
    }
    const char *address = words->items[0];
    if (words->count == 2) {
        return believe(options, words->items[1]);
    }
    int r = introduction_of(address, &made, &error);
    if (r == 0) {
        r = ask_broker(options->introduction ? options->introduction : made, &key, &error);
    }
    if (r == 0) {
        r = identity_check(address, key.text, &error);
    }
    if (r < 0) {
        return fail(r, &error);
    }
    if (r == 0 &&
        !confirm(address, &key, options->yes)) { /* of one that is known nobody is asked */
        return EXIT_USAGE;
    }
    return believe(options, key.text);
}
