/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl alone, used as its documentation says, on the same event loop and with the same options
 * as ours: what loads-runner costs more than this is our own.
 *
 *     bench-curl keep|once URL CONNECTIONS SECONDS [CA_FILE]        prints "requests N"
 *
 * once: a handle makes one request, then comes a new one. With libcurl before 8.2.0 it is how ours
 * has to use them (lib/loop/curl_request.c says why).
 */
#include <curl/curl.h>
#include <ev.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client {
    struct ev_loop *loop;
    CURLM *multi;
    ev_timer timer, end;
    uint64_t answers;
    const char *url, *ca_file;
    bool once, over;
};

struct user {
    CURL *easy;
    CURLSH *share;
};

struct watch {
    ev_io io;
    struct client *client;
};

static void check(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "bench-curl: %s failed\n", what);
        exit(EXIT_FAILURE);
    }
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static void make_handle(const struct client *client, struct user *user)
{
    user->easy = curl_easy_init();
    check(user->easy, "curl_easy_init");
    curl_easy_setopt(user->easy, CURLOPT_PRIVATE, user);
    curl_easy_setopt(user->easy, CURLOPT_SHARE, user->share);
    curl_easy_setopt(user->easy, CURLOPT_URL, client->url);
    curl_easy_setopt(user->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(user->easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(user->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(user->easy, CURLOPT_HEADERFUNCTION, on_bytes);
    if (client->ca_file) {
        curl_easy_setopt(user->easy, CURLOPT_CAINFO, client->ca_file);
    }
}

/* Takes what is done and starts it again. */
static void drain(struct client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        CURL *easy = message->easy_handle;
        struct user *user;
        check(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
        client->answers++;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &user);
        curl_multi_remove_handle(client->multi, easy);
        if (client->once) {
            curl_easy_cleanup(easy);
            make_handle(client, user);
        }
        if (!client->over) {
            curl_multi_add_handle(client->multi, user->easy);
        }
    }
}

static void act(struct client *client, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(client->multi, fd, events, &running);
    drain(client);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct watch *watch = (struct watch *)io;
    (void)loop;
    act(watch->client, io->fd,
        (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ((struct client *)timer->data)->over = true;
    ev_break(loop, EVBREAK_ALL);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct client *client = context;
    struct watch *watch = socket_context;
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        ev_io_stop(client->loop, &watch->io);
        free(watch);
        curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        check(watch, "calloc");
        watch->client = client;
        ev_init(&watch->io, on_io);
        curl_multi_assign(client->multi, fd, watch);
    }
    ev_io_stop(client->loop, &watch->io);
    ev_io_set(&watch->io, fd, events);
    ev_io_start(client->loop, &watch->io);
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_msec, void *context)
{
    struct client *client = context;

    (void)multi;
    ev_timer_stop(client->loop, &client->timer);
    if (timeout_msec >= 0) {
        ev_timer_set(&client->timer, (double)timeout_msec / 1e3, 0);
        ev_timer_start(client->loop, &client->timer);
    }
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc != 5 && argc != 6) {
        (void)fputs("bench-curl keep|once URL CONNECTIONS SECONDS [CA_FILE]\n", stderr);
        return 2;
    }
    size_t n = strtoul(argv[3], NULL, 10);
    struct user *users = calloc(n, sizeof *users);
    struct client client = {.loop = ev_loop_new(EVFLAG_AUTO),
                            .once = strcmp(argv[1], "once") == 0,
                            .url = argv[2],
                            .ca_file = argc == 6 ? argv[5] : NULL};

    curl_global_init(CURL_GLOBAL_DEFAULT);
    client.multi = curl_multi_init();
    check(users && client.loop && client.multi, "starting");
    curl_multi_setopt(client.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client.multi, CURLMOPT_SOCKETDATA, &client);
    curl_multi_setopt(client.multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(client.multi, CURLMOPT_TIMERDATA, &client);
    curl_multi_setopt(client.multi, CURLMOPT_MAXCONNECTS, 32L);
    ev_timer_init(&client.timer, on_timer, 0, 0);
    ev_timer_init(&client.end, on_end, strtod(argv[4], NULL), 0);
    client.timer.data = client.end.data = &client;
    ev_timer_start(client.loop, &client.end);
    for (size_t i = 0; i < n; i++) {
        users[i].share = curl_share_init();
        check(users[i].share, "curl_share_init");
        curl_share_setopt(users[i].share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
        make_handle(&client, &users[i]);
        curl_multi_add_handle(client.multi, users[i].easy);
    }
    ev_run(client.loop, 0);
    (void)printf("requests %" PRIu64 "\n", client.answers);
    (void)fflush(stdout);
    _exit(EXIT_SUCCESS); /* the system cleans up faster than we would */
}
