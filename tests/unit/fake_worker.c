/* SPDX-License-Identifier: MPL-2.0 */
/* A loads-worker without tests, coroutines or network, for tests of those who start workers: it
 * maps what a worker maps and counts as one does, one hit and one count of "rounds" per iteration.
 * In the environment, FAKE_WORKER names one way of going wrong, or more with spaces in between;
 * with @N behind it is for the worker of that serial number alone.
 *
 * All users iterate together, round by round; what goes wrong does so in the second round, when the
 * first user's iteration is over and the others' are on, unless it says otherwise. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/area.h"
#include "run/channel.h"
#include "run/run_dir.h"

#define TEST_NAME   "URL.get"
#define PACE_MSEC   1 /* between rounds that nothing bounds but time */
#define DETAIL_TEXT 1500

struct worker {
    const char *run_dir;
    unsigned serial, cycle, first_user, iterations;
    struct names_file *names;
    struct area *area;
    unsigned test, series, failed_series, counter;
    bool going, stopping;
    uint64_t run_start_usec, deadline_usec;
    unsigned rounds;
};

/* Whether FAKE_WORKER asks this worker for that. */
static bool is_to(const struct worker *worker, const char *what)
{
    const char *text = getenv("FAKE_WORKER");
    size_t length = strlen(what);

    for (const char *at = text; at && (at = strstr(at, what)); at += length) {
        if (at > text && at[-1] != ' ') {
            continue;
        }
        if (at[length] == '\0' || at[length] == ' ' ||
            (at[length] == '@' && strtoul(at + length + 1, NULL, 10) == worker->serial)) {
            return true;
        }
    }
    return false;
}

static void say(uint32_t type)
{
    struct pollfd poller = {.fd = CHANNEL_FD, .events = POLLOUT};
    int r;

    while ((r = channel_send(CHANNEL_FD, &(struct message){.type = type})) == -EAGAIN) {
        (void)poll(&poller, 1, -1); /* until the garbage in front of it was read */
    }
    if (r < 0) {
        _exit(9);
    }
}

/* ---- going wrong ----------------------------------------------------------------------------- */

static void send_garbage(void)
{
    static char bytes[3 * sizeof(struct message)];
    const size_t sizes[] = {0, 1, 7, sizeof(struct message) + 1, sizeof bytes};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        for (uint32_t type = 0; type < 8; type++) {
            memset(bytes, 0xee, sizeof bytes);
            memcpy(bytes, &type, sizeof type);
            (void)send(CHANNEL_FD, bytes, sizes[i], MSG_DONTWAIT); /* full: it has enough */
        }
    }
}

static void hang(void)
{
    for (;;) {
        (void)poll(NULL, 0, -1); /* a signal ends us, or doesn't */
    }
}

static void crash(const struct worker *worker)
{
    struct message message = {.type = MESSAGE_CRASH,
                              .crash = {.signal = SIGABRT, .user = (int)worker->first_user + 1}};
    if (channel_send(CHANNEL_FD, &message) < 0) {
        _exit(9);
    }
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

/* Writes over the counts of both buffers, whichever is in use. */
static void scribble_counts(const struct worker *worker)
{
    memset(worker->area->memory + 1024, 0xee, worker->area->layout.head_bytes - 1024);
    (void)raise(SIGKILL);
}

static void scribble_everything(const struct worker *worker)
{
    const struct area *area = worker->area;

    memset(area->memory, 0xa5, area->layout.head_bytes);
    memset(area->memory + area->header_offset_bytes, 0xa5,
           area->size_bytes - area->header_offset_bytes);
    (void)raise(SIGKILL);
}

static void go_wrong(const struct worker *worker)
{
    if (is_to(worker, "abort")) {
        crash(worker);
    } else if (is_to(worker, "kill")) {
        (void)raise(SIGKILL);
    } else if (is_to(worker, "exit-3")) {
        _exit(3);
    } else if (is_to(worker, "exit-0")) {
        _exit(0);
    } else if (is_to(worker, "refuse-late")) {
        (void)!channel_refuse(CHANNEL_FD, "no room"); /* as the worker does when a disk is full */
        _exit(1);
    } else if (is_to(worker, "scribble-counts")) {
        scribble_counts(worker);
    } else if (is_to(worker, "scribble-words")) {
        memset(worker->area->users, 0xff, worker->area->n_users * sizeof(uint64_t));
        (void)raise(SIGKILL);
    } else if (is_to(worker, "scribble-all")) {
        scribble_everything(worker);
    } else if (is_to(worker, "close-channel")) {
        close_fd(CHANNEL_FD);
        hang();
    } else if (is_to(worker, "stall")) {
        *worker->area->turned_usec = 1; /* so that nobody has to wait */
        hang();
    } else if (is_to(worker, "hang")) {
        hang();
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

static uint32_t second_now(const struct worker *worker)
{
    return (uint32_t)((clock_monotonic_usec() - worker->run_start_usec) / USEC_PER_SEC);
}

static void take_messages(struct worker *worker, int timeout_msec)
{
    struct pollfd poller = {.fd = CHANNEL_FD, .events = POLLIN};
    struct message message;
    int r;

    (void)poll(&poller, 1, timeout_msec); /* receiving will tell */
    while ((r = channel_receive(CHANNEL_FD, &message)) != 0) {
        if (r < 0) {
            _exit(9);
        }
        if (message.type == MESSAGE_GO && !worker->going) {
            worker->going = true;
            worker->run_start_usec = message.go.run_start_usec;
            worker->deadline_usec = message.go.deadline_usec;
        } else if (message.type == MESSAGE_STOP) {
            worker->stopping = true;
        }
    }
}

static void commit(struct worker *worker, unsigned user, uint64_t word, enum detail_type type)
{
    static char text[DETAIL_TEXT];
    struct area *area = worker->area;
    struct detail detail = {.type = type,
                            .id = worker->series,
                            .test = worker->test,
                            .user = worker->first_user + user,
                            .iteration = user_word_iterations(area->users[user]),
                            .cycle = worker->cycle,
                            .text = text,
                            .text_size = sizeof text};
    uint64_t *head, value;

    memset(text, 'x', sizeof text);
    tally_stage_store(area->tally, &area->users[user], word);
    if (area->ring) {
        while (detail_ring_put(area->ring, &detail, &head, &value) == -ENOBUFS) {
            take_messages(worker, -1); /* that there is room again */
        }
        tally_stage_store(area->tally, head, value);
    }
    tally_commit(area->tally);
}

static void begin_iteration(struct worker *worker, unsigned user)
{
    uint32_t done = user_word_iterations(worker->area->users[user]);

    tally_advance(worker->area->tally, second_now(worker));
    commit(worker, user, user_word(done, USER_REQUESTING, worker->failed_series),
           DETAIL_START_TEST);
}

static void end_iteration(struct worker *worker, unsigned user, enum outcome outcome)
{
    uint32_t done = user_word_iterations(worker->area->users[user]);
    struct tally *tally = worker->area->tally;
    struct error error;

    tally_advance(tally, second_now(worker));
    if (area_make_room(worker->area, &error) < 0) {
        _exit(8);
    }
    if (outcome == OUTCOME_SUCCESS) {
        tally_stage_hit(tally, worker->series, 1000 * (uint64_t)(done + 1), 10, 100);
        tally_stage_counter(tally, worker->counter, 1);
    }
    tally_stage_outcome(tally, worker->test, outcome);
    commit(worker, user, user_word(done + 1, USER_BETWEEN, 0), DETAIL_STOP_TEST);
}

static bool has_iterations_left(const struct worker *worker, unsigned user)
{
    return worker->iterations == 0 ||
           user_word_iterations(worker->area->users[user]) < worker->iterations;
}

/* False: nobody had anything to do. */
static bool run_round(struct worker *worker)
{
    bool any = false;

    if (is_to(worker, "turn-never")) {
        *worker->area->turned_usec = UINT64_MAX;
    }
    for (unsigned user = 0; user < worker->area->n_users; user++) {
        if (has_iterations_left(worker, user)) {
            begin_iteration(worker, user);
            any = true;
        }
    }
    if (is_to(worker, "wait-for-stop")) {
        while (!worker->stopping) {
            take_messages(worker, -1);
        }
    }
    for (unsigned user = 0; user < worker->area->n_users; user++) {
        if (user == 1 && worker->rounds == 1) {
            go_wrong(worker);
        }
        if (user_word_phase(worker->area->users[user]) != USER_BETWEEN) {
            end_iteration(worker, user, worker->stopping ? OUTCOME_INTERRUPTED : OUTCOME_SUCCESS);
        }
    }
    worker->rounds++;
    return any;
}

static void run(struct worker *worker)
{
    while (!worker->going) {
        take_messages(worker, -1);
    }
    do {
        if (is_to(worker, "garbage")) {
            send_garbage();
        }
        if (worker->deadline_usec > 0 && clock_monotonic_usec() >= worker->deadline_usec) {
            break;
        }
        take_messages(worker, worker->iterations == 0 ? PACE_MSEC : 0);
    } while (!worker->stopping && run_round(worker));
    (void)tally_seal(worker->area->tally); /* the supervisor reads both buffers at our end */
}

/* ---- starting -------------------------------------------------------------------------------- */

static void open_files(struct worker *worker)
{
    _cleanup_free_ char *area = run_dir_file(worker->run_dir, "worker-%u", worker->serial);
    _cleanup_free_ char *names = run_dir_file(worker->run_dir, "names");
    struct error error;

    if (!area || !names || names_file_open(&worker->names, names, &error) < 0 ||
        area_open(&worker->area, area, &error) < 0) {
        _exit(8);
    }
    struct names *table = worker->names->names;
    worker->test = names_id(table, NAME_TEST, TEST_NAME, strlen(TEST_NAME));
    worker->counter = names_id(table, NAME_COUNTER, "rounds", strlen("rounds"));
    worker->series = names_series(table, &(struct series_key){TEST_NAME, "/", "GET", 200});
    worker->failed_series = names_series(table, &(struct series_key){TEST_NAME, "/", "GET", 0});
}

/* What goes wrong before it is ready. */
static void start_wrong(struct worker *worker)
{
    if (is_to(worker, "refuse")) {
        (void)!channel_refuse(CHANNEL_FD, "I will not"); /* as a worker does */
        _exit(1);
    }
    if (is_to(worker, "leave-early")) {
        _exit(0);
    }
    if (is_to(worker, "crash-early")) {
        _exit(4);
    }
    if (is_to(worker, "never-ready")) {
        hang();
    }
    if (is_to(worker, "stall-early")) {
        open_files(worker);
        *worker->area->turned_usec = 1;
        hang();
    }
    if (is_to(worker, "ignore-term")) {
        (void)signal(SIGTERM, SIG_IGN);
    }
    if (is_to(worker, "ignore-abort")) {
        (void)signal(SIGABRT, SIG_IGN);
    }
    if (is_to(worker, "unformatted")) {
        say(MESSAGE_READY);
        hang();
    }
}

/* Doesn't listen until it gets SIGUSR1; then it obeys STOP alone. */
static void be_deaf(struct worker *worker)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* can't fail with these arguments */
    say(MESSAGE_READY);
    (void)sigwait(&set, &number); /* the same */
    while (!worker->stopping) {
        take_messages(worker, -1);
    }
    _exit(0);
}

/* ---- preparing ------------------------------------------------------------------------------- */

/* FAKE_REPORT: what to say; without, a report whose tests are our arguments. FAKE_LOADING: what to
 * say before it, and FAKE_STATUS "hang": never to end. */
static int prepare(int argc, char *argv[])
{
    const char *report = getenv("FAKE_REPORT"), *status = getenv("FAKE_STATUS");

    if (report && strcmp(report, "hang") == 0) {
        hang();
    }
    if (getenv("FAKE_WORDS")) {
        (void)fputs(getenv("FAKE_WORDS"), stderr);
    }
    while (report && strcmp(report, "endless") == 0) {
        (void)puts("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
    }
    if (getenv("FAKE_LOADING")) {
        (void)puts(getenv("FAKE_LOADING"));
    }
    if (report) {
        (void)fputs(report, stdout);
    } else {
        (void)fputs("{\"module_paths\": [\"/a/module.so\"], \"tests\": [", stdout);
        for (int i = 1; i < argc; i++) {
            (void)printf("%s\"%s\"", i > 1 ? "," : "", argv[i]);
        }
        (void)fputs("]}", stdout);
    }
    if (status && strcmp(status, "hang") == 0) {
        (void)fflush(stdout);
        hang();
    }
    return status ? atoi(status) : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    struct worker worker = {0};

    if (argc > 1 && (strcmp(argv[1], "--prepare") == 0 || strcmp(argv[1], "--list") == 0 ||
                     strcmp(argv[1], "--archive") == 0)) {
        return prepare(argc, argv);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned number = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--run-dir") == 0) {
            worker.run_dir = argv[i + 1];
        } else if (strcmp(argv[i], "--serial") == 0) {
            worker.serial = number;
        } else if (strcmp(argv[i], "--cycle") == 0) {
            worker.cycle = number;
        } else if (strcmp(argv[i], "--first-user") == 0) {
            worker.first_user = number;
        } else if (strcmp(argv[i], "--iterations") == 0) {
            worker.iterations = number;
        }
    }
    if (!worker.run_dir) {
        return 2;
    }
    start_wrong(&worker);
    open_files(&worker);
    if (is_to(&worker, "garbage")) {
        send_garbage();
    }
    if (is_to(&worker, "deaf")) {
        be_deaf(&worker);
    }
    if (is_to(&worker, "turn-early")) {
        *worker.area->turned_usec = 1;
    }
    if (is_to(&worker, "talk")) {
        (void)printf("%u speaks\n", worker.serial);
        (void)fflush(stdout); /* whoever listens will tell */
        (void)fprintf(stderr, "%u complains\n", worker.serial);
    }
    say(MESSAGE_READY);
    run(&worker);
    area_free(worker.area);
    names_file_free(worker.names);
    return EXIT_SUCCESS;
}
