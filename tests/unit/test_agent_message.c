/* SPDX-License-Identifier: MPL-2.0 */
/* What broker and agents say: each type there and back, and what is no message. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "wire/agent_message.h"

#define ID  "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11"
#define ID2 "00000000-0000-0000-0000-000000000002"

static const char *const control[] = {"ipc:///run/loads/agent-1.sock", "tcp://127.0.0.1:7783"};
static const struct agent_run runs[] = {{ID, 3, "running", 2, 77}, {ID2, 0, "ended", 0, 0}};
static const struct agent_worker workers[] = {{1234, 50, "starting", ID}};
static const struct agent_name names[] = {
    {NAME_TEST, 1, "Shop.buy"},
    {NAME_SERIES, NAMES_MAX_SERIES,
     "Shop.buy\x1f/\x1f"
     "GET\x1f"
     "200"},
    {NAME_ERROR, 0, ""},
    {NAME_COUNTER, 5, "\xc3\xa9\n\t\"\\"},
};

/* All that any type has. */
static const struct agent_message full = {
    .run_id = ID,
    .source = 3,
    .seq = INT64_MAX,
    .last_seq = 78,
    .detail = true,
    .last_detail_seq = 79,
    .detail_lost = 80,
    .cpu_usec = 81,
    .memory_peak_bytes = 82,
    .cycle = 4,
    .protocol = AGENT_PROTOCOL,
    .pid = 11160,
    .broker_pid = 11154,
    .version = "0.3.0",
    .agent_id = "box1-1",
    .incarnation = ID2,
    .hostname = "box1",
    .control = control,
    .n_control = 2,
    .now_usec = 1,
    .echo_usec = 2,
    .heartbeat_usec = 1000000,
    .runs = runs,
    .n_runs = 2,
    .agents = 5,
    .agent_index = 4,
    .spec = "{\"run_id\":\"" ID "\",\"users\":[1,2]}",
    .archive_bytes = 1 << 20,
    .offset = 262144,
    .save_hits = true,
    .start_usec = 5000000,
    .grace_usec = 7,
    .result = -12,
    .reason = "no\nmemory",
    .active_usec = 9,
    .interrupted = true,
    .names = names,
    .n_names = 4,
    .overflows = {1, 2, 3, 4, 5},
    .worker = -1,
    .text = "hello\n",
    .request = 6,
    .workers = workers,
    .n_workers = 1,
};

static int decode(const char *text, struct agent_message **ret, struct error *error)
{
    return agent_message_decode(text, strlen(text), ret, error);
}

/* Each type, written, read, and written again. */
static void test_there_and_back(void **state _unused_)
{
    for (enum agent_message_type type = 0; type < AGENT_MESSAGE_TYPES; type++) {
        _cleanup_(agent_message_freep) struct agent_message *read = NULL;
        _cleanup_free_ char *text = NULL, *again = NULL;
        struct agent_message message = full;
        struct error error;

        message.type = type;
        assert_int_equal(agent_message_encode(&message, &text), 0);
        assert_non_null(strstr(text, agent_message_word(type)));
        assert_int_equal(decode(text, &read, &error), 0);
        assert_int_equal(read->type, type);
        assert_int_equal(agent_message_encode(read, &again), 0);
        assert_string_equal(text, again);
    }
}

static struct agent_message *pass(enum agent_message_type type)
{
    struct agent_message message = full, *read = NULL;
    _cleanup_free_ char *text = NULL;

    message.type = type;
    assert_int_equal(agent_message_encode(&message, &text), 0);
    assert_int_equal(decode(text, &read, NULL), 0);
    return read;
}

static void test_register(void **state _unused_)
{
    _cleanup_(agent_message_freep) struct agent_message *m = pass(AGENT_REGISTER);

    assert_int_equal(m->protocol, AGENT_PROTOCOL);
    assert_string_equal(m->version, "0.3.0");
    assert_string_equal(m->agent_id, "box1-1");
    assert_string_equal(m->incarnation, ID2);
    assert_string_equal(m->hostname, "box1");
    assert_int_equal(m->pid, 11160);
    assert_int_equal(m->n_control, 2);
    assert_string_equal(m->control[1], control[1]);
    assert_int_equal(m->now_usec, 1);
    assert_int_equal(m->n_runs, 2);
    assert_string_equal(m->runs[0].run_id, ID);
    assert_int_equal(m->runs[0].source, 3);
    assert_string_equal(m->runs[0].state, "running");
    assert_int_equal(m->runs[0].cycle, 2);
    assert_int_equal(m->runs[0].last_seq, 77);
    assert_string_equal(m->runs[1].state, "ended");
    assert_null(m->run_id); /* of others */
    assert_null(m->text);
}

static void test_prepare(void **state _unused_)
{
    _cleanup_(agent_message_freep) struct agent_message *m = pass(AGENT_PREPARE);

    assert_string_equal(m->run_id, ID);
    assert_int_equal(m->source, 3);
    assert_int_equal(m->agents, 5);
    assert_int_equal(m->agent_index, 4);
    assert_string_equal(m->spec, full.spec);
    assert_int_equal(m->archive_bytes, 1 << 20);
    assert_true(m->save_hits);
}

static void test_results(void **state _unused_)
{
    _cleanup_(agent_message_freep) struct agent_message *m = pass(AGENT_RESULTS);

    assert_true(m->seq == INT64_MAX);
    assert_int_equal(m->n_names, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(m->names[i].kind, names[i].kind);
        assert_int_equal(m->names[i].id, names[i].id);
        assert_string_equal(m->names[i].text, names[i].text);
        assert_int_equal(m->overflows[i], i + 1);
    }
}

static void test_others(void **state _unused_)
{
    _cleanup_(agent_message_freep) struct agent_message *ended = pass(AGENT_ENDED);
    _cleanup_(agent_message_freep) struct agent_message *ack = pass(AGENT_ACK);
    _cleanup_(agent_message_freep) struct agent_message *detail = pass(AGENT_DETAIL);
    _cleanup_(agent_message_freep) struct agent_message *log = pass(AGENT_LOG);
    _cleanup_(agent_message_freep) struct agent_message *status = pass(AGENT_STATUS);
    _cleanup_(agent_message_freep) struct agent_message *registered = pass(AGENT_REGISTERED);

    assert_int_equal(ended->result, -12);
    assert_string_equal(ended->reason, "no\nmemory");
    assert_int_equal(ended->last_seq, 78);
    assert_int_equal(ended->last_detail_seq, 79);
    assert_int_equal(ended->detail_lost, 80);
    assert_int_equal(ended->cpu_usec, 81);
    assert_int_equal(ended->memory_peak_bytes, 82);
    assert_true(ack->detail);
    assert_int_equal(detail->n_names, ELEMENTSOF(names));
    assert_int_equal(ended->active_usec, 9);
    assert_true(ended->interrupted);
    assert_int_equal(log->worker, -1);
    assert_string_equal(log->text, "hello\n");
    assert_int_equal(status->request, 6);
    assert_int_equal(status->n_workers, 1);
    assert_int_equal(status->workers[0].pid, 1234);
    assert_int_equal(status->workers[0].users, 50);
    assert_string_equal(status->workers[0].state, "starting");
    assert_int_equal(registered->broker_pid, 11154);
    assert_int_equal(registered->heartbeat_usec, 1000000);
    assert_int_equal(registered->echo_usec, 2);
}

/* What may be absent is zero then, and a newer program's keys are nobody's business. */
static void test_optional_and_unknown_keys(void **state _unused_)
{
    _cleanup_(agent_message_freep) struct agent_message *m = NULL;

    assert_int_equal(decode("{\"type\": \"results\", \"run_id\": \"" ID "\", \"source\": 0, "
                            "\"seq\": 1, \"names\": [], \"weather\": {\"today\": [\"fine\"]}}",
                            &m, NULL),
                     0);
    assert_int_equal(m->overflows[3], 0);
    assert_int_equal(m->n_names, 0);
}

/* ---- what is no message ---------------------------------------------------------------------- */

#define RUN "\"run_id\": \"" ID "\""

static void test_refused(void **state _unused_)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "not JSON"},
        {"[]", "not a JSON object"},
        {"{}", "type: a string"},
        {"{\"type\": 7}", "type: a string"},
        {"{\"type\": \"fly\"}", "there is no 'fly'"},
        {"{\"type\": \"drop\"}", "drop: run_id: is missing"},
        {"{\"type\": \"drop\", \"run_id\": null}", "run_id: a UUID"},
        {"{\"type\": \"drop\", \"run_id\": \"6b0f7d5c\"}", "run_id: a UUID"},
        {"{\"type\": \"drop\", \"run_id\": \"6B0F7D5C-0c5e-4c52-9d8e-5a3c2a1f0e11\"}", "run_id"},
        {"{\"type\": \"start\", " RUN ", \"cycle\": -1, \"start_usec\": 0}", "cycle: a whole"},
        {"{\"type\": \"start\", " RUN ", \"cycle\": 1.0, \"start_usec\": 0}", "cycle: a whole"},
        {"{\"type\": \"start\", " RUN ", \"cycle\": 4294967296, \"start_usec\": 0}", "cycle"},
        {"{\"type\": \"start\", " RUN ", \"cycle\": 0, \"start_usec\": \"0\"}", "start_usec"},
        {"{\"type\": \"ended\", " RUN ", \"result\": 70000, \"reason\": \"\", \"last_seq\": 0, "
         "\"active_usec\": 0}",
         "result"},
        {"{\"type\": \"ended\", " RUN ", \"result\": 0, \"reason\": 5, \"last_seq\": 0, "
         "\"active_usec\": 0}",
         "reason"},
        {"{\"type\": \"ended\", " RUN ", \"result\": 0, \"reason\": \"\", \"last_seq\": 0, "
         "\"active_usec\": 0, \"interrupted\": 1}",
         "interrupted: true or false"},
        {"{\"type\": \"results\", " RUN ", \"source\": 0, \"seq\": 1, \"names\": {}}", "names"},
        {"{\"type\": \"results\", " RUN ", \"source\": 0, \"seq\": 1, \"names\": [[0, 1]]}",
         "names"},
        {"{\"type\": \"results\", " RUN ", \"source\": 0, \"seq\": 1, \"names\": [[5, 1, \"\"]]}",
         "names"},
        {"{\"type\": \"results\", " RUN ", \"source\": 0, \"seq\": 1, \"names\": [[2, 201, \"\"]]}",
         "names"},
        {"{\"type\": \"results\", " RUN
         ", \"source\": 0, \"seq\": 1, \"names\": [], \"overflows\": [1, 2, 3, 4]}",
         "overflows"},
        {"{\"type\": \"results\", " RUN
         ", \"source\": 0, \"seq\": 1, \"names\": [], \"overflows\": [1, 2, 3, 4, -1]}",
         "overflows"},
        {"{\"type\": \"status\", \"request\": 1, \"workers\": [{\"pid\": 1, \"users\": 1, "
         "\"state\": \"flying\", " RUN "}]}",
         "workers"},
        {"{\"type\": \"prepare\", " RUN
         ", \"source\": 0, \"agents\": 1, \"agent_index\": 0, \"spec\": \"{}\"}",
         "spec: an object"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct agent_message *message = NULL;
        struct error error = {0};
        assert_int_equal(decode(cases[i].text, &message, &error), -EBADMSG);
        assert_null(message);
        if (!strstr(error.text, cases[i].words)) {
            fail_msg("%s: %s", cases[i].text, error.text);
        }
    }
}

static void refuse_register(const char *keys, const char *words)
{
    struct agent_message *message = NULL;
    struct error error = {0};
    char text[4096];

    (void)snprintf(text, sizeof text,
                   "{\"type\": \"register\", \"protocol\": 1, \"version\": \"1\", \"incarnation\": "
                   "\"" ID "\", \"hostname\": \"h\", \"pid\": 1, \"now_usec\": 1, %s}",
                   keys);
    assert_int_equal(decode(text, &message, &error), -EBADMSG);
    assert_non_null(strstr(error.text, words));
}

static void test_refused_registers(void **state _unused_)
{
    char keys[2000], id[AGENT_MAX_ID_BYTES + 2] = "";

    refuse_register("\"agent_id\": \"\", \"control\": [], \"runs\": []", "agent_id");
    refuse_register("\"agent_id\": \"a\\nb\", \"control\": [], \"runs\": []", "agent_id");
    memset(id, 'x', sizeof id - 1);
    (void)snprintf(keys, sizeof keys, "\"agent_id\": \"%s\", \"control\": [], \"runs\": []", id);
    refuse_register(keys, "agent_id");
    refuse_register("\"agent_id\": \"a\", \"control\": \"b\", \"runs\": []", "control");
    refuse_register("\"agent_id\": \"a\", \"control\": [\"\"], \"runs\": []", "control");
    refuse_register("\"agent_id\": \"a\", \"control\": [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7], "
                    "\"runs\": []",
                    "control");
    refuse_register("\"agent_id\": \"a\", \"control\": [], \"runs\": [7]", "runs");
    refuse_register("\"agent_id\": \"a\", \"control\": [], \"runs\": [{\"run_id\": \"" ID
                    "\", \"source\": 1, \"state\": \"lost\", \"cycle\": 0, \"last_seq\": 0}]",
                    "runs");
}

/* What could not be read is not written. */
static void test_not_written(void **state _unused_)
{
    char *text = NULL;
    _cleanup_free_ char *long_text = malloc(AGENT_MAX_TEXT_BYTES + 2);
    struct agent_message message = full;

    assert_non_null(long_text);
    memset(long_text, 'x', AGENT_MAX_TEXT_BYTES + 1);
    long_text[AGENT_MAX_TEXT_BYTES + 1] = '\0';
    message.type = AGENT_FAILED;
    message.reason = long_text;
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    message.reason = "\xff";
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    message.reason = NULL;
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    message.reason = "";
    message.run_id = "7";
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    message = full;
    message.type = AGENT_REGISTER;
    message.n_control = AGENT_MAX_CONTROLS + 1;
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    message = full;
    message.type = AGENT_PREPARE;
    message.spec = NULL;
    assert_int_equal(agent_message_encode(&message, &text), -EINVAL);
    assert_null(text);
}

static void test_written_without_memory(void **state _unused_)
{
    for (enum agent_message_type type = 0; type < AGENT_MESSAGE_TYPES; type++) {
        struct agent_message message = full;
        bool failed = true;

        message.type = type;
        for (long i = 0; failed; i++) {
            _cleanup_free_ char *text = NULL;

            allocation_fails_after = i;
            int r = agent_message_encode(&message, &text);
            failed = allocation_fails_after < 0;
            allocation_fails_after = -1;
            assert_int_equal(r, failed ? -ENOMEM : 0);
            assert_true(i < 2000);
        }
    }
}

/* One without texts to speak of: when jansson can't make room for a longer one, it writes beyond.
 */
static void test_read_without_memory(void **state _unused_)
{
    bool failed = true;

    for (long i = 0; failed; i++) {
        struct agent_message *message = NULL;

        allocation_fails_after = i;
        int r = decode("{\"type\": \"beat\", \"echo_usec\": 1, \"now_usec\": 2}", &message, NULL);
        failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        assert_int_equal(r, failed ? -ENOMEM : 0);
        agent_message_free(message);
        assert_true(i < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_register),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_optional_and_unknown_keys),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_registers),
        cmocka_unit_test(test_not_written),
        cmocka_unit_test(test_written_without_memory),
        cmocka_unit_test(test_read_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
