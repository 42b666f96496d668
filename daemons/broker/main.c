/* SPDX-License-Identifier: MPL-2.0 */
/* loads-broker: options, wiring, signals. What it does about runs is in conduct.c and what stands
 * beside it; who talks to it, in frontend.c and backend.c. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/daemon.h"
#include "broker.h"
#include "conduct.h"
#include "inquiry.h"
#include "introduction.h"
#include "listen.h"
#include "loop/resolve.h"
#include "observe.h"
#include "probe.h"
#include "restore.h"
#include "wake_wait.h"

#define EXIT_USAGE 2
#define TICK_SEC   0.25

#define RESOLVE_TTL_USEC (10 * USEC_PER_SEC) /* of the database's host */
#define END_USEC         (10 * USEC_PER_SEC) /* for the database to take what it was given */

struct program {
    struct broker broker;
    struct broker_options options;
    struct strlist arguments; /* which are read again */
    ev_signal signals[3];
    ev_timer tick, watchdog, last_moment;
    ev_prepare ending;
};

/* ---- events ---------------------------------------------------------------------------------- */

static bool same_list(const struct strlist *a, const struct strlist *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return same;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

#define SWAP(a, b)                                                                                 \
    do {                                                                                           \
        __typeof__(a) swapped_ = (a);                                                              \
        (a) = (b);                                                                                 \
        (b) = swapped_;                                                                            \
    } while (0)

static void adopt_observers(struct broker_options *now, struct broker_options *next)
{
    SWAP(now->observers, next->observers);
    SWAP(now->observer_callables, next->observer_callables);
    SWAP(now->observer_dir, next->observer_dir);
    SWAP(now->observer_ca_file, next->observer_ca_file);
    SWAP(now->web_root, next->web_root);
    now->observer_timeout_usec = next->observer_timeout_usec;
    now->observer_servers_fixed = next->observer_servers_fixed;
}

/* Takes what can be changed while it runs, and says what can't. */
static void adopt(struct broker_options *now, struct broker_options *next)
{
    for (size_t i = 0; i < BROKER_SOCKETS; i++) {
        const char *name = broker_socket_names[i];
        if (!same_list(broker_options_addresses(now, name), broker_options_addresses(next, name))) {
            log_notice("%s has changed: that takes effect when the broker is restarted", name);
        }
    }
    if (strcmp(now->database, next->database) != 0) {
        log_notice("database has changed: that takes effect when the broker is restarted");
    }
    if (!same_list(&now->introduction, &next->introduction)) {
        log_notice("introduction has changed: that takes effect when the broker is restarted");
    }
    if (!same_text(now->key, next->key)) {
        log_notice("key has changed: that takes effect when the broker is restarted");
    }
    if (now->max_upload_bytes != next->max_upload_bytes) { /* the socket has it, too */
        log_notice("max-upload has changed: that takes effect when the broker is restarted");
    }
    if (now->allow_insecure != next->allow_insecure) {
        log_notice("allow-insecure has changed: that takes effect when the broker is restarted");
    }
    SWAP(now->agents, next->agents);
    SWAP(now->local_roles, next->local_roles);
    SWAP(now->keys_dir, next->keys_dir);
    adopt_observers(now, next);
    now->retention_days = next->retention_days;
    now->log_level = next->log_level;
    log_open("loads-broker", now->log_level);
}

static int load_keys(const struct broker *broker, struct error *error)
{
    int r = authority_load(broker->authority, broker->options->keys_dir, error);

    if (r == -ENOENT) { /* nobody was let in yet */
        log_notice("%s", error->text);
        return 0;
    }
    if (r >= 0) {
        log_info("%d keys are known", r);
    }
    return r < 0 ? r : 0;
}

/* Whose key is gone is to be gone, too. Nobody else notices more than that a connection was lost.
 */
static void read_keys_again(const struct broker *broker)
{
    struct error error = {0};

    if (!broker->key) {
        return;
    }
    if (load_keys(broker, &error) < 0) {
        broker_event(EVENT_CONFIGURATION_REFUSED, NULL, NULL, "the keys stay as they were: %s",
                     error.text);
    } else if (authority_has_changed(broker->authority)) {
        unsigned cut = mq_socket_cut(frontend_socket(broker->frontend)) +
                       mq_socket_cut(broker->backend) + mq_socket_cut(broker->receiver) +
                       mq_socket_cut(broker->publisher);
        broker_event(EVENT_KEYS_TAKEN_AWAY, NULL, NULL,
                     "keys were taken away: %u connections have to show theirs again", cut);
    }
}

static void reload(struct program *program)
{
    struct broker_options next;
    struct local_users *users;
    struct error error = {0};

    daemon_notify_reloading();
    if (broker_options_parse((int)program->arguments.count, program->arguments.items, &next,
                             &error) < 0 ||
        local_users_new(&users, &next.local_roles, &error) < 0) {
        broker_event(EVENT_CONFIGURATION_REFUSED, NULL, NULL,
                     "the configuration stays as it was: %s", error.text);
    } else {
        authority_set_local(program->broker.authority, &users);
        adopt(&program->options, &next);
        broker_event(EVENT_CONFIGURATION_READ, NULL, NULL, "the configuration was read again");
        read_keys_again(&program->broker);
    }
    broker_options_clear(&next);
    daemon_notify("READY=1");
}

/* Observers that are on may end, and what was said to the store is stored first; agents keep the
 * rest for the next broker. */
static void on_ending(struct ev_loop *loop, ev_prepare *prepare, int events _unused_)
{
    const struct program *program = prepare->data;
    struct store *store = program->broker.store;

    if (!observe_is_on(program->broker.observe) &&
        (store_waiting(store) == 0 || !store_is_up(store))) {
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_last_moment(struct ev_loop *loop, ev_timer *timer _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

static void end(struct program *program)
{
    struct ev_loop *loop = program->broker.loop;

    daemon_notify("STOPPING=1");
    if (program->broker.ending) { /* asked twice: at once */
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    program->broker.ending = true;
    daemon_notify_ending(END_USEC + USEC_PER_SEC);
    audit_flush(program->broker.audit);
    ev_prepare_init(&program->ending, on_ending);
    program->ending.data = program;
    ev_prepare_start(loop, &program->ending);
    ev_timer_init(&program->last_moment, on_last_moment, (double)END_USEC / 1e6, 0);
    ev_timer_start(loop, &program->last_moment);
}

static void on_signal(struct ev_loop *loop _unused_, ev_signal *watcher, int events _unused_)
{
    struct program *program = watcher->data;

    if (watcher->signum == SIGHUP) {
        reload(program);
        return;
    }
    end(program);
}

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct program *program = timer->data;

    status_tick(&program->broker);
    audit_tick(program->broker.audit);
    if (!program->broker.ending) {
        conduct_tick(&program->broker);
        frontend_tick(program->broker.frontend);
        wake_wait_tick(&program->broker);
    }
}

static void on_watchdog(struct ev_loop *loop _unused_, ev_timer *timer _unused_,
                        int events _unused_)
{
    daemon_notify("WATCHDOG=1");
}

static void on_up(void *context)
{
    struct program *program = context;

    if (store_keeps(program->broker.store)) {
        broker_event(EVENT_DATABASE_BACK, NULL, NULL, "the database answers");
    }
    restore_runs(&program->broker);
}

static void on_down(const char *reason, void *context)
{
    struct program *program = context;

    frontend_open(program->broker.frontend);
    broker_event(EVENT_DATABASE_LOST, NULL, NULL, "%s; runs that are on go on, no new one is taken",
                 reason);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static void start_watchers(struct program *program)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct ev_loop *loop = program->broker.loop;
    uint64_t watchdog_usec = daemon_watchdog_usec();

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(loop, &program->signals[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* who went away is seen where it is written to */
    ev_timer_init(&program->tick, on_tick, TICK_SEC, TICK_SEC);
    program->tick.data = program;
    ev_timer_start(loop, &program->tick);
    ev_timer_init(&program->watchdog, on_watchdog, 0, (double)watchdog_usec / 2e6);
    if (watchdog_usec > 0) {
        ev_timer_start(loop, &program->watchdog);
    }
}

/* Each client and agent takes a descriptor: use all that we may. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then what there is has to do */
    }
}

/* What libev can't go on without it can only tell here: it would abort. */
static void on_loop_error(const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    _exit(EXIT_FAILURE);
}

static int make_store(struct program *program, struct error *error)
{
    struct broker *broker = &program->broker;
    struct store_options options = {.database = program->options.database,
                                    .callbacks = {on_up, on_down, program}};

    int r = resolver_new(&broker->resolver, broker->loop, RESOLVE_TTL_USEC, NULL);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    options.resolver = broker->resolver;
    r = store_new(&broker->store, broker->loop, &options, error);
    if (r < 0) {
        return r;
    }
    bool keeps = store_keeps(broker->store);
    if (!keeps) {
        log_notice("database = none: results are not stored, and gone with this process");
    }
    broker->loaded = !keeps; /* then there is nothing to be read back */
    r = runs_new(&broker->runs, keeps ? RUNS_KEEP_OVER : RUNS_MAX_OVER);
    return r < 0 ? error_set_errno(error, r, "cannot start") : 0;
}

/* Publications can't be refused one by one; what comes on the other sockets is looked at. Who is
 * let in without a key was let in by the file system, or is on this machine. */
static bool on_connect(const struct mq_key *public_key, const char *address,
                       const char *socket_name, void *context)
{
    const struct broker *broker = context;
    const struct caller caller =
        authority_caller_of(broker->authority, public_key ? public_key->text : NULL, address);
    bool watches = strcmp(socket_name, "publisher") == 0;

    if (caller.role == KEY_NOBODY) {
        audit_refused(broker->audit, &caller, "connect",
                      (struct audit_subject){.key = public_key->text}, "its key is not known");
    } else if (watches && caller.role < KEY_OBSERVE) {
        audit_refused(broker->audit, &caller, "connect", AUDIT_NOTHING,
                      "publications need the role 'observe'");
        return false;
    }
    return caller.role != KEY_NOBODY;
}

static int use_key(struct broker *broker, struct error *error)
{
    broker->key = calloc(1, sizeof *broker->key);
    if (!broker->key) {
        return error_set_errno(error, -ENOMEM, "keys");
    }
    int r = key_file_read(broker->options->key, broker->key, error);
    if (r == 0) {
        r = load_keys(broker, error);
    }
    if (r < 0) {
        return r;
    }
    authority_trust(broker->authority, &broker->key->pair.public_key);
    mq_serve(broker->mq, &broker->key->pair);
    log_info("who comes by tcp needs a key, and knows the broker by %s",
             broker->key->pair.public_key.text);
    return 0;
}

static int make_authority(struct broker *broker, struct error *error)
{
    struct local_users *users;
    int r = authority_new(&broker->authority);

    if (r < 0) {
        return error_set_errno(error, r, "keys");
    }
    r = local_users_new(&users, &broker->options->local_roles, error);
    if (r < 0) {
        return r;
    }
    authority_set_local(broker->authority, &users);
    r = mq_guard_new(&broker->guard, broker->mq, on_connect, broker, error);
    return r == 0 && broker->options->key ? use_key(broker, error) : r;
}

static int set_up(struct program *program, struct error *error)
{
    struct broker *broker = &program->broker;

    ev_set_syserr_cb(on_loop_error);
    raise_descriptor_limit();
    broker->options = &program->options;
    broker->loop = ev_loop_new(EVFLAG_AUTO);
    int r = broker->loop ? mq_new(&broker->mq, broker->loop) : -ENOMEM;
    if (r == 0) {
        r = registry_new(&broker->registry);
    }
    if (r == 0) {
        r = frontend_new(&broker->frontend, broker);
    }
    if (r == 0) {
        r = wake_wait_new(&broker->wake, broker);
    }
    if (r == 0) {
        r = observe_new(&broker->observe, broker);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    r = make_store(program, error);
    if (r < 0) {
        return r;
    }
    r = audit_new(&broker->audit, broker);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    broker->started_usec = broker->loaded_usec = clock_monotonic_usec();
    r = make_authority(broker, error);
    if (r == 0) {
        r = listen_all(broker, error);
    }
    if (r == 0) {
        start_watchers(program);
    }
    return r;
}

static void release(struct broker *broker)
{
    mq_socket_free(broker->backend);
    mq_socket_free(broker->receiver);
    mq_socket_free(broker->publisher);
    observe_free(broker->observe);
    audit_free(broker->audit);
    store_free(broker->store);
    resolver_free(broker->resolver);
    inquiries_clear(broker);
    runs_free(broker->runs);
    registry_free(broker->registry);
    frontend_free(broker->frontend);
    introduction_free(broker->introduction);
    wake_wait_free(broker->wake);
    mq_guard_free(broker->guard);
    mq_free(broker->mq);
    authority_free(broker->authority);
    if (broker->key) {
        explicit_bzero(broker->key, sizeof *broker->key);
        free(broker->key);
    }
    if (broker->loop) {
        ev_loop_destroy(broker->loop);
    }
}

/* `systemctl status` has no log of a service that waits to be started again, but this. */
static void tell_failure(const struct error *error)
{
    log_error("%s", error->text);
    daemon_notify("STATUS=%s", error->text);
}

static int run(struct program *program)
{
    struct error error = {0};

    if (set_up(program, &error) < 0) {
        tell_failure(&error);
        return EXIT_FAILURE;
    }
    const char *address = mq_socket_endpoint(frontend_socket(program->broker.frontend), 0);
    log_info("clients are awaited at %s", address);
    daemon_notify("READY=1");
    ev_run(program->broker.loop, 0);
    log_info("ending");
    return EXIT_SUCCESS;
}

/* --check */
static int check(const struct broker_options *options)
{
    struct error error = {0};
    uint64_t pid = 0;
    struct key_file key = {.name = ""};
    int r = options->key ? key_file_read(options->key, &key, &error) : 0;

    if (r == 0) {
        r = probe_broker(&options->frontend, options->key ? &key.pair : NULL, &pid, &error);
    }
    if (r == 1) {
        (void)printf("a broker runs there, its pid is %" PRIu64 "\n", pid);
        return EXIT_SUCCESS;
    }
    log_error("%s", r < 0 ? error.text : "no broker answers there");
    return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
    struct program program = {.arguments = {0}};
    struct error error = {0};
    int status = EXIT_SUCCESS;

    log_open("loads-broker", LOG_INFO);
    if (strlist_add_all(&program.arguments, argv, (size_t)argc) < 0) {
        log_error("cannot start: %s", strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    int r = broker_options_parse(argc, argv, &program.options, &error);
    conf_hide_arguments(&broker_table, argc, argv);
    if (r < 0) {
        tell_failure(&error);
        status = EXIT_USAGE;
    } else if (program.options.help) {
        conf_print_help(&broker_table, stdout);
    } else if (program.options.version) {
        (void)puts("loads-broker " LOADS_VERSION);
    } else if (program.options.check) {
        status = check(&program.options);
    } else {
        log_open("loads-broker", program.options.log_level);
        status = run(&program);
        release(&program.broker);
    }
    broker_options_clear(&program.options);
    strlist_clear(&program.arguments);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
