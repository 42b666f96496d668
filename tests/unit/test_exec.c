/* SPDX-License-Identifier: MPL-2.0 */
/* --output exec with a program that is slow: who writes never waits for it while there is somebody
 * who asks first, nothing is lost, and one that reads nothing is given up. What else may become of
 * a program is tested in tests/system/test_formats.py. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocation.h"
#include "outputs/output.h"

#define ENOUGH 1000000 /* events: more than pipe and memory take */

struct fixture {
    void *memory;
    struct output_run run;
    struct output *output;
    struct output_options options;
    struct error error;
    char directory[64];
};

static int set_up(void **state)
{
    static struct fixture f;
    static struct names *names;
    static struct run_spec *spec;

    f = (struct fixture){.memory = calloc(1, names_size_bytes()),
                         .directory = "/tmp/loads-exec-XXXXXX"};
    assert_non_null(f.memory);
    assert_non_null(mkdtemp(f.directory));
    assert_int_equal(names_new(&names, f.memory, names_size_bytes()), 0);
    assert_int_equal(run_spec_new(&spec), 0);
    f.run = (struct output_run){.spec = spec, .names = names};
    output_options_init(&f.options);
    *state = &f;
    return 0;
}

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[100];
    (void)snprintf(path, sizeof path, "%s/%s", f->directory, name);
    return path;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    output_free(f->output);
    run_spec_free((struct run_spec *)f->run.spec);
    names_free((struct names *)f->run.names);
    free(f->memory);
    (void)unlink(path_of(f, "gate")); /* may not be there, as what follows */
    (void)unlink(path_of(f, "lines"));
    return rmdir(f->directory);
}

static void start(struct fixture *f, const char *command)
{
    assert_int_equal(output_open(&f->output, command, &f->options, &f->error), 0);
    assert_int_equal(output_begin(f->output, &f->run, &f->error), 0);
}

/* As many events as it takes without waiting; *ret is how many. Or it is given up meanwhile. */
static int fill(struct fixture *f, size_t *ret)
{
    const struct detail detail = {.type = DETAIL_START_TEST};
    bool takes = true;
    int r = 0;

    for (*ret = 0; r == 0 && *ret < ENOUGH; (*ret)++) {
        r = output_takes_detail(f->output, &takes, &f->error);
        if (r < 0 || !takes) {
            break;
        }
        assert_int_equal(output_detail(f->output, &f->run, &detail, &f->error), 0);
    }
    return r;
}

/* Until there is room again, or it is given up. */
static int await_room(struct fixture *f)
{
    bool takes = false;
    int r = 0;

    while (r == 0 && !takes) {
        r = output_takes_detail(f->output, &takes, &f->error);
    }
    return r;
}

static size_t count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t lines = 0;
    int c;

    assert_non_null(file);
    while ((c = getc(file)) != EOF) {
        lines += c == '\n';
    }
    assert_int_equal(fclose(file), 0);
    return lines;
}

/* The program waits for a gate; all that it was given before comes, and what came after. */
static void test_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    char command[300];

    assert_int_equal(mkfifo(path_of(f, "gate"), 0600), 0);
    (void)snprintf(command, sizeof command, "exec:sh -c 'read x <%s/gate; exec cat >%s/lines'",
                   f->directory, f->directory);
    start(f, command);
    size_t n;
    assert_int_equal(fill(f, &n), 0);
    assert_true(n > 1000 && n < ENOUGH);
    int gate = open(path_of(f, "gate"), O_WRONLY | O_CLOEXEC);
    assert_true(gate >= 0 && write(gate, "\n", 1) == 1);
    assert_int_equal(close(gate), 0);
    assert_int_equal(await_room(f), 0);
    const struct detail detail = {.type = DETAIL_STOP_TEST};
    assert_int_equal(output_detail(f->output, &f->run, &detail, &f->error), 0);
    assert_int_equal(output_close(f->output, &f->error), 0);
    assert_int_equal(count_lines(path_of(f, "lines")), n + 1);
}

static void test_one_that_reads_nothing(void **state)
{
    struct fixture *f = *state;
    const struct detail detail = {.type = DETAIL_START_TEST};
    bool takes = false;

    f->options.exec_timeout_usec = 50000;
    start(f, "exec:sleep 1000");
    size_t n;
    int r = fill(f, &n); /* on a slow machine it has taken nothing for so long already */
    assert_true(n < ENOUGH);
    assert_int_equal(r < 0 ? r : await_room(f), -ETIMEDOUT);
    assert_string_equal(f->error.text, "output exec: 'sleep' read nothing for 0.05 s: it was "
                                       "ended, and the run goes on without it");
    /* It is said once, and from then on nobody has to wait for it. */
    assert_int_equal(output_takes_detail(f->output, &takes, &f->error), 0);
    assert_true(takes);
    assert_int_equal(output_detail(f->output, &f->run, &detail, &f->error), 0);
    assert_int_equal(output_close(f->output, &f->error), 0);
}

/* Where nobody asks whether there is room, writing waits. */
static void test_nobody_asks(void **state)
{
    struct fixture *f = *state;
    const struct detail detail = {.type = DETAIL_START_TEST};
    int r = 0;

    f->options.exec_timeout_usec = 50000;
    start(f, "exec:sleep 1000");
    for (size_t i = 0; i < ENOUGH && r == 0; i++) {
        r = output_detail(f->output, &f->run, &detail, &f->error);
    }
    assert_int_equal(r, -ETIMEDOUT);
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    const struct detail detail = {.type = DETAIL_START_TEST};
    int r = 0;

    start(f, "exec:sleep 1000");
    allocation_fails_after = 0;
    for (size_t i = 0; i < ENOUGH && r == 0; i++) {
        r = output_detail(f->output, &f->run, &detail, &f->error);
    }
    allocation_fails_after = -1;
    assert_int_equal(r, -ENOMEM);
    assert_string_equal(f->error.text, "output exec: 'sleep': Cannot allocate memory");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_lost),
        TEST(test_one_that_reads_nothing),
        TEST(test_nobody_asks),
        TEST(test_no_memory),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
