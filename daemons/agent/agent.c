/* SPDX-License-Identifier: MPL-2.0 */
/* One run is on at a time; others may have ended and wait for the broker to have stored them. Every
 * order may come twice, or for a run that is gone, and is then answered by what is true. */
#include "agent_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_log.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/figure.h"

#define TICK_SEC    0.25
#define LAST_SEC    5.0 /* for the broker to hear of the end, once workers are gone */
#define MAX_WAITING 16  /* runs that ended */
#define ENDING_USEC (10 * USEC_PER_SEC) /* for our next tick, when others wait for our end */

/* ---- runs ------------------------------------------------------------------------------------ */

static struct place *find(const struct agent *agent, const char *id)
{
    struct place *place = agent->places;

    assert(id); /* of what is about a run the decoder lets no other pass */
    while (place && strcmp(run_id(place->run), id) != 0) {
        place = place->next;
    }
    return place;
}

/* The run that is on, or NULL. */
static struct place *find_active(const struct agent *agent)
{
    struct place *place = agent->places;

    while (place && run_is_over(place->run)) {
        place = place->next;
    }
    return place;
}

/* The broker knows when it has nothing for us any more, and says so: a run that it gave us before
 * it heard that we leave is made. */
static void leave_when_done(struct agent *agent)
{
    if (agent->draining && !agent->places && (agent->ending || !link_is_known(agent->link))) {
        ev_break(agent->loop, EVBREAK_ALL);
    }
}

/* From here on the agent has nothing to do, or not. */
static void watch_idleness(struct agent *agent)
{
    ev_timer_stop(agent->loop, &agent->idle);
    if (agent->options.idle_exit_usec > 0 && !agent->places && !agent->draining) {
        ev_now_update(agent->loop);
        ev_timer_set(&agent->idle, (double)agent->options.idle_exit_usec / 1e6, 0);
        ev_timer_start(agent->loop, &agent->idle);
    }
}

static void forget(struct agent *agent, struct place *place)
{
    struct place **at = &agent->places;

    while (*at != place) {
        at = &(*at)->next;
    }
    *at = place->next;
    run_free(place->run);
    free(place);
    watch_idleness(agent);
    leave_when_done(agent);
}

static void tell_last(struct agent *agent)
{
    if (agent->ending && !find_active(agent)) {
        ev_now_update(agent->loop);
        ev_timer_start(agent->loop, &agent->last); /* nothing, if it runs */
    }
}

/* In the log. */
static void tell_end(const struct agent *agent, const struct run *run, const struct run_end *end)
{
    char hits[FIGURE_BYTES], duration[FIGURE_BYTES];

    if (end->result < 0) {
        agent_event(EVENT_PART_FAILED, &agent->options, run_id(run), "run %s: can't go on: %s",
                    run_id(run), end->reason);
    } else {
        agent_event(EVENT_PART_ENDED, &agent->options, run_id(run),
                    "run %s: ended%s: %s hits in %s", run_id(run),
                    end->interrupted ? ", stopped" : "", figure_whole(end->hits, hits),
                    figure_seconds((double)end->active_usec / 1e6, duration));
    }
}

static void on_changed(struct run *run, void *context)
{
    struct agent *agent = context;
    struct place *place = find(agent, run_id(run));
    struct run_end end;

    run_end(run, &end);
    if (run_state(run) == RUN_FAILED) {
        agent_event(EVENT_PART_FAILED, &agent->options, run_id(run), "run %s: can't be made: %s",
                    run_id(run), end.reason);
    } else if (run_state(run) == RUN_ENDED) {
        tell_end(agent, run, &end);
    }
    sender_pump(&place->sender, run, agent->link);
    sender_tell_state(run, agent->link);
    tell_last(agent);
}

static void on_problem(struct run *run, pid_t worker, const char *text, void *context)
{
    struct agent *agent = context;
    char pid[24];

    (void)snprintf(pid, sizeof pid, "%ld", (long)worker); /* it fits */
    const struct log_field fields[] = {
        {"AGENT_ID", agent->options.agent_id}, {"RUN_ID", run_id(run)}, {"WORKER_PID", pid}};
    log_event(EVENT_WORKER_CRASHED, fields, ELEMENTSOF(fields), "run %s: a worker crashed: %s",
              run_id(run), text);
    run_log_add(run_printed(run), RUN_LOG_PREPARING, text, strlen(text));
    run_log_add(run_printed(run), RUN_LOG_PREPARING, "\n", 1);
}

static bool on_is_connected(void *context)
{
    struct agent *agent = context;
    return link_is_up(agent->link);
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* A run that there is no place for. */
static void refuse(struct agent *agent, const char *id, const char *reason)
{
    struct agent_message message = {.type = AGENT_FAILED, .run_id = id, .reason = reason};

    agent_event(EVENT_PART_FAILED, &agent->options, id, "run %s: refused: %s", id, reason);
    (void)!link_send(agent->link, &message, NULL, 0); /* gone: so is who asked */
}

/* Why a run can't be taken now, in `text`, or false. */
static bool is_unwelcome(const struct agent *agent, char *text, size_t size)
{
    const struct place *active = find_active(agent);

    if (agent->ending || (agent->draining && agent->places)) {
        (void)snprintf(text, size, "%s is about to leave", agent->options.agent_id);
    } else if (active) {
        (void)snprintf(text, size, "%s is busy with run %s", agent->options.agent_id,
                       run_id(active->run));
    } else if (agent_count_runs(agent) >= MAX_WAITING) {
        (void)snprintf(text, size, "%s has %d runs whose results are not stored yet",
                       agent->options.agent_id, MAX_WAITING);
    } else {
        return false;
    }
    return true;
}

static int make_place(struct agent *agent, const struct agent_message *message,
                      struct run_spec **spec, struct place **ret)
{
    struct run_options options = {
        .source = message->source,
        .agents = message->agents,
        .agent_index = message->agent_index,
        .archive_bytes = message->archive_bytes,
        .workers = agent->options.workers,
        .agent_id = agent->options.agent_id,
        .worker_program = agent->options.worker_program,
        .work_dir = agent->options.work_dir,
        .enclosure = agent->options.enclosure,
        .outbox = agent->outbox,
        .detail_outbox = agent->detail_outbox,
        .save_hits = message->save_hits,
        .changed = on_changed,
        .problem = on_problem,
        .is_connected = on_is_connected,
        .context = agent,
    };
    struct place *place = calloc(1, sizeof *place);

    if (!place) {
        return -ENOMEM;
    }
    int r = run_new(&place->run, agent->loop, &options, spec);
    if (r < 0) {
        free(place);
        return r;
    }
    place->next = agent->places;
    agent->places = place;
    watch_idleness(agent);
    *ret = place;
    return 0;
}

static void on_prepare(struct agent *agent, const struct agent_message *message)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    struct place *place = find(agent, message->run_id);
    struct error error = {0};

    if (place) { /* again, since nobody knows whether we heard it */
        sender_tell_state(place->run, agent->link);
        return;
    }
    if (is_unwelcome(agent, error.text, sizeof error.text)) {
        refuse(agent, message->run_id, error.text);
        return;
    }
    assert(message->spec); /* the decoder lets no other pass */
    int r = run_spec_decode(message->spec, strlen(message->spec), &spec, &error);
    if (r == 0 && strcmp(spec->run_id, message->run_id) != 0) {
        r = error_set(&error, -EINVAL, "its specification is another run's");
    }
    if (r == 0) {
        r = make_place(agent, message, &spec, &place);
        r = r < 0 ? error_set_errno(&error, r, "no place for a run") : 0;
    }
    if (r < 0) {
        refuse(agent, message->run_id, error.text);
        return;
    }
    assert(place); /* it was made */
    agent_event(EVENT_PART_TAKEN, &agent->options, message->run_id,
                "run %s: takes part as agent %u of %u", message->run_id, message->agent_index + 1,
                message->agents);
    run_start(place->run);
}

static void on_archive(struct agent *agent, struct place *place,
                       const struct agent_message *message, const void *payload, size_t size)
{
    run_add_archive(place->run, message->offset, payload, size);
    struct agent_message answer = {.type = AGENT_ARCHIVE_GOT,
                                   .run_id = run_id(place->run),
                                   .offset = run_archive_got(place->run)};
    (void)!link_send(agent->link, &answer, NULL, 0); /* gone: it will be asked for again */
}

static void on_acknowledged(struct agent *agent, struct place *place,
                            const struct agent_message *message)
{
    struct outbox_queue *queue = message->detail ? run_details(place->run) : run_queue(place->run);
    int r;

    if (!queue) {
        return; /* there is no detail */
    }
    switch (message->type) {
    case AGENT_ACK:
        r = outbox_acknowledge(queue, message->seq);
        break;
    case AGENT_EXPECT:
        r = sender_expect(&place->sender, queue, message->seq);
        break;
    default:
        r = outbox_reject(queue, message->seq);
        if (!place->rejected) {
            agent_event(EVENT_RESULTS_REJECTED, &agent->options, message->run_id,
                        "run %s: the broker can't store results, which are lost: %s",
                        message->run_id, message->reason);
        }
        place->rejected = true;
        break;
    }
    if (r < 0) {
        agent_log(LOG_DEBUG, &agent->options, message->run_id, "run %s: %s %ju makes no sense",
                  message->run_id, agent_message_word(message->type), (uintmax_t)message->seq);
    }
    sender_pump(&place->sender, place->run, agent->link);
}

struct worker_list {
    struct agent_worker workers[AGENT_MAX_WORKERS];
    size_t count;
};

static void list_worker(const struct supervisor_worker *worker, const char *state, const char *id,
                        void *context)
{
    struct worker_list *list = context;

    if (list->count < ELEMENTSOF(list->workers)) {
        list->workers[list->count++] = (struct agent_worker){
            .pid = (uint64_t)worker->pid, .users = worker->users, .state = state, .run_id = id};
    }
}

static void on_ask_status(struct agent *agent, const struct agent_message *message)
{
    _cleanup_free_ struct worker_list *list = calloc(1, sizeof *list);

    if (list) {
        agent_each_worker(agent, list_worker, list);
        struct agent_message answer = {.type = AGENT_STATUS,
                                       .request = message->request,
                                       .workers = list->workers,
                                       .n_workers = list->count};
        (void)!link_send(agent->link, &answer, NULL, 0); /* gone: so is who asked */
    }
}

static void on_order(struct agent *agent, struct place *place, const struct agent_message *message,
                     const void *payload, size_t size)
{
    switch (message->type) {
    case AGENT_ARCHIVE:
        on_archive(agent, place, message, payload, size);
        break;
    case AGENT_START:
        run_begin_cycle(place->run, message->cycle, link_to_ours(agent->link, message->start_usec));
        break;
    case AGENT_STOP:
        run_stop(place->run, message->grace_usec);
        break;
    case AGENT_DROP:
        forget(agent, place);
        break;
    case AGENT_ACK:
    case AGENT_EXPECT:
    case AGENT_REJECTED:
        if (message->source == run_source(place->run)) {
            on_acknowledged(agent, place, message);
        }
        break;
    default:
        break; /* ours to send */
    }
}

static void on_message(const struct agent_message *message, const void *payload, size_t size,
                       void *context)
{
    struct agent *agent = context;
    struct place *place = message->run_id ? find(agent, message->run_id) : NULL;

    if (message->type == AGENT_PREPARE) {
        on_prepare(agent, message);
    } else if (message->type == AGENT_ASK_STATUS) {
        on_ask_status(agent, message);
    } else if (message->type == AGENT_QUIT) {
        agent_log(LOG_NOTICE, &agent->options, NULL, "the broker asks to leave");
        agent_drain(agent);
    } else if (place) {
        on_order(agent, place, message, payload, size);
    }
}

/* ---- the connection -------------------------------------------------------------------------- */

static void on_describe(struct agent_message *message, void *context)
{
    static struct agent_run runs[MAX_WAITING + 1]; /* read at once */
    struct agent *agent = context;
    size_t n = 0;

    for (struct place *place = agent->places; place; place = place->next) {
        runs[n++] = (struct agent_run){.run_id = run_id(place->run),
                                       .source = run_source(place->run),
                                       .state = run_word(place->run),
                                       .cycle = run_cycle(place->run),
                                       .last_seq = outbox_last_seq(run_queue(place->run))};
    }
    message->version = LOADS_VERSION;
    message->agent_id = agent->options.agent_id;
    message->incarnation = agent->options.incarnation;
    message->hostname = agent->options.hostname;
    message->pid = (uint64_t)getpid();
    message->control = (const char *const *)agent->options.control->items;
    message->n_control = agent->options.control->count;
    message->runs = runs;
    message->n_runs = n;
}

static void on_up(void *context)
{
    struct agent *agent = context;

    agent_event(EVENT_BROKER_REACHED, &agent->options, NULL, "registered at the broker, %s",
                agent->options.broker);
    agent->trouble[0] = '\0';
    daemon_notify("X_LOADS_REGISTERED=1"); /* loads-cluster waits for it */
    if (agent->draining) {
        (void)!link_send(agent->link, &(struct agent_message){.type = AGENT_LEAVING}, NULL, 0);
    }
    watch_idleness(agent); /* who was woken has time to be given a run */
    for (struct place *place = agent->places; place; place = place->next) {
        sender_rewind(&place->sender, place->run);
        sender_pump(&place->sender, place->run, agent->link);
        sender_tell_state(place->run, agent->link);
    }
}

/* Said once, not at every try. */
static void on_down(const char *reason, void *context)
{
    struct agent *agent = context;

    if (agent->draining && !agent->places) {
        leave_when_done(agent);
        return;
    }
    if (strcmp(agent->trouble, reason) != 0) {
        agent_event(EVENT_BROKER_LOST, &agent->options, NULL, "no broker at %s: %s; trying again",
                    agent->options.broker, reason);
        (void)snprintf(agent->trouble, sizeof agent->trouble, "%s", reason);
    }
}

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct agent *agent = timer->data;

    if (agent->ending) {
        daemon_notify_ending(ENDING_USEC);
    }
    status_tick(&agent->status, agent);
    for (struct place *place = agent->places; place; place = place->next) {
        run_tick(place->run);
        sender_pump(&place->sender, place->run, agent->link);
    }
}

static void on_idle(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct agent *agent = timer->data;

    agent_log(LOG_NOTICE, &agent->options, NULL, "no run for %g s: leaving",
              (double)agent->options.idle_exit_usec / 1e6);
    agent->leaves_idle = true;
    agent_drain(agent);
}

static void on_last(struct ev_loop *loop, ev_timer *timer _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

/* ---- from outside ---------------------------------------------------------------------------- */

int agent_new(struct agent **ret, struct ev_loop *loop, struct mq *mq,
              const struct agent_options *options)
{
    _cleanup_(agent_freep) struct agent *agent = calloc(1, sizeof *agent);

    if (!agent) {
        return -ENOMEM;
    }
    agent->loop = loop;
    agent->options = *options;
    struct link_options link = {.broker = options->broker,
                                .describe = on_describe,
                                .up = on_up,
                                .down = on_down,
                                .message = on_message,
                                .context = agent};
    ev_timer_init(&agent->tick, on_tick, TICK_SEC, TICK_SEC);
    ev_timer_init(&agent->last, on_last, LAST_SEC, 0);
    ev_timer_init(&agent->idle, on_idle, 0, 0);
    agent->tick.data = agent->last.data = agent->idle.data = agent;
    int r = outbox_new(&agent->outbox, OUTBOX_LIMIT_BYTES);
    if (r == 0) {
        r = outbox_new(&agent->detail_outbox, OUTBOX_LIMIT_BYTES);
    }
    if (r == 0) {
        r = link_new(&agent->link, loop, mq, &link);
    }
    if (r < 0) {
        return r;
    }
    ev_timer_start(loop, &agent->tick);
    watch_idleness(agent);
    link_wake(agent->link);
    *ret = TAKE_PTR(agent);
    return 0;
}

struct agent *agent_free(struct agent *agent)
{
    if (agent) {
        ev_timer_stop(agent->loop, &agent->tick);
        ev_timer_stop(agent->loop, &agent->last);
        while (agent->places) {
            forget(agent, agent->places);
        }
        ev_timer_stop(agent->loop, &agent->idle);
        link_free(agent->link);
        outbox_free(agent->outbox);
        outbox_free(agent->detail_outbox);
        free(agent);
    }
    return NULL;
}

void agent_drain(struct agent *agent)
{
    if (!agent->draining) {
        agent->draining = true;
        (void)!link_send(agent->link, &(struct agent_message){.type = AGENT_LEAVING}, NULL, 0);
        /* not connected: it is told on the next connection */
    }
    leave_when_done(agent);
}

void agent_end(struct agent *agent)
{
    struct place *active = find_active(agent);

    agent->ending = true;
    if (active) { /* before anybody hears of it */
        run_stop(active->run, run_grace_usec(active->run));
    }
    agent_drain(agent);
    tell_last(agent);
}

/* Who was about to leave since there was nothing to do stays, even if the loop was told to end a
 * moment ago. The broker may not have let go of us yet, so we begin anew. */
void agent_wake(struct agent *agent)
{
    if (agent->leaves_idle && !agent->places && !agent->ending) {
        agent->draining = agent->leaves_idle = false;
        ev_break(agent->loop, EVBREAK_CANCEL);
        link_renew(agent->link);
    }
    watch_idleness(agent);
    link_wake(agent->link);
}
