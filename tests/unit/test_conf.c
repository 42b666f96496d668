/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf.h"
#include "base/parse.h"

struct options {
    char *fqn, *config, *server_url;
    struct number_list users, hits;
    struct strlist output, tag, rest;
    bool quiet, verbose, help;
};

static int number_list(const char *text, void *field, struct error *error)
{
    return parse_numbers(text, field, error);
}

static int key_value(const char *text, void *field, struct error *error)
{
    size_t length;
    assert_null(field);
    return parse_key_value(text, &length, error);
}

#define ANYWHERE   (CONF_FILE | CONF_ENVIRONMENT)
#define AT(member) offsetof(struct options, member)

static const struct conf_option rows[] = {
    {"fqn", "fqdn target", NULL, "FQN", "What to run.", "What", CONF_STRING,
     ANYWHERE | CONF_POSITIONAL, AT(fqn), NULL},
    {"users", NULL, "u", "N[:N…]", "How many users.", "How much", CONF_VALUE, ANYWHERE, AT(users),
     number_list},
    {"hits", NULL, "cn", "N[:N…]",
     "How often each user runs the test, a sentence that is long enough to need a second line and "
     "even a third one.",
     "How much", CONF_VALUE, ANYWHERE, AT(hits), number_list},
    {"output", NULL, "o", "NAME[=FILE]", "A report.", "Reports", CONF_LIST, ANYWHERE, AT(output),
     NULL},
    {"tag", NULL, NULL, "KEY=VALUE", "A tag.", "Reports", CONF_LIST, ANYWHERE, AT(tag), key_value},
    {"quiet", NULL, "q", NULL, "No progress.", "Reports", CONF_FLAG, ANYWHERE, AT(quiet), NULL},
    {"verbose", NULL, "v", NULL, NULL, "Reports", CONF_FLAG, 0, AT(verbose), NULL},
    {"server-url", NULL, NULL, "A-VERY-LONG-METAVAR-INDEED", "Where.", "Other", CONF_STRING,
     ANYWHERE, AT(server_url), NULL},
    {"config", NULL, NULL, "FILE", "Options from a file.", "Other", CONF_STRING,
     CONF_ENVIRONMENT | CONF_NAMES_FILE, AT(config), NULL},
    {"help", NULL, "h", NULL, "This text.", "Other", CONF_FLAG, CONF_ALONE, AT(help), NULL},
};

static const struct conf_table table = {
    .program = "loads-runner",
    .usage = "[OPTION...] FQN",
    .summary = "Runs a load test, and says what it found in a paragraph that is too long for one "
               "line.",
    .section = "loads",
    .options = rows,
    .count = ELEMENTSOF(rows),
};

static const char *const variables[] = {"LOADS_FQN",     "LOADS_USERS",      "LOADS_HITS",
                                        "LOADS_OUTPUT",  "LOADS_TAG",        "LOADS_QUIET",
                                        "LOADS_VERBOSE", "LOADS_SERVER_URL", "LOADS_CONFIG"};

static int clear_environment(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
        (void)unsetenv(variables[i]);
    }
    return 0;
}

#define PARSE(options, error, ...)                                                                 \
    parse_arguments(options, error, (const char *const[]){"loads-runner", __VA_ARGS__, NULL})

static int parse_arguments(struct options *options, struct error *error,
                           const char *const *arguments)
{
    int count = 0;
    while (arguments[count]) {
        count++;
    }
    return conf_parse(&table, count, (char *const *)arguments, options, error);
}

static int parse_file(struct options *options, struct error *error, const char *text)
{
    FILE *file = fmemopen((void *)text, strlen(text), "r");
    assert_non_null(file);
    int r = conf_read_file(&table, file, "run.ini", options, error);
    fclose(file);
    return r;
}

static void assert_numbers(const struct number_list *list, const char *text)
{
    struct number_list want;
    assert_int_equal(parse_numbers(text, &want, NULL), 0);
    assert_int_equal(list->count, want.count);
    assert_memory_equal(list->values, want.values, want.count * sizeof want.values[0]);
}

static void test_command_line(void **state _unused_)
{
    struct options options = {0};
    struct error error;

    assert_int_equal(PARSE(&options, &error, "-u", "10:20", "a.B.c", "--hits=3", "-qv", "--output",
                           "json=x", "-onull", "--tag=a=b", "--server-url", "-x", "-n5", "--users",
                           "7"),
                     0);
    assert_string_equal(options.fqn, "a.B.c");
    assert_numbers(&options.users, "7");
    assert_numbers(&options.hits, "5");
    assert_true(options.quiet && options.verbose && !options.help);
    assert_int_equal(options.output.count, 2);
    assert_string_equal(options.output.items[0], "json=x");
    assert_string_equal(options.output.items[1], "null");
    assert_null(options.output.items[2]);
    assert_string_equal(options.tag.items[0], "a=b");
    assert_string_equal(options.server_url, "-x");
    conf_clear(&table, &options);
    assert_null(options.fqn);
    assert_int_equal(options.output.count, 0);

    assert_int_equal(PARSE(&options, &error, "--fqdn", "x", "--server-url=", "--", "-u"), 0);
    assert_string_equal(options.fqn, "-u");
    assert_string_equal(options.server_url, "");
    assert_int_equal(PARSE(&options, &error, "-"), 0);
    assert_string_equal(options.fqn, "-");
    conf_clear(&table, &options);
}

static void test_command_line_errors(void **state _unused_)
{
    static const struct {
        const char *arguments[4], *error;
    } cases[] = {
        {{"loads-runner", "--user=3"},
         "unknown option '--user' (did you mean '--users'?); try 'loads-runner --help'"},
        {{"loads-runner", "--server_url", "x"},
         "unknown option '--server_url' (did you mean '--server-url'?); try 'loads-runner --help'"},
        {{"loads-runner", "--frobnicate"},
         "unknown option '--frobnicate'; try 'loads-runner --help'"},
        {{"loads-runner", "-x"}, "unknown option '-x'; try 'loads-runner --help'"},
        {{"loads-runner", "-qx"}, "unknown option '-x' in '-qx'; try 'loads-runner --help'"},
        {{"loads-runner", "--users"},
         "option '--users' needs an argument (N[:N…]); try 'loads-runner --help'"},
        {{"loads-runner", "-q", "-u"},
         "option '-u' needs an argument (N[:N…]); try 'loads-runner --help'"},
        {{"loads-runner", "--quiet=yes"},
         "option '--quiet' takes no argument; try 'loads-runner --help'"},
        {{"loads-runner", "a", "b"}, "unexpected argument 'b'; try 'loads-runner --help'"},
        {{"loads-runner", "a", "password=hush"},
         "unexpected argument 'password=***'; try 'loads-runner --help'"},
        {{"loads-runner", "-u", "10:x"},
         "--users: '10:x' is not a list of numbers such as 10:20:30"},
        {{"loads-runner", "--config", "/nonexistent/x.ini"},
         "can't open the configuration file /nonexistent/x.ini: No such file or directory"},
    };
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct options options = {0};
        assert_true(parse_arguments(&options, &error, cases[i].arguments) < 0);
        assert_string_equal(error.text, cases[i].error);
        conf_clear(&table, &options);
    }
}

/* --help must work beside whatever else is wrong behind it. */
static void test_help_alone(void **state _unused_)
{
    struct options options = {0};

    assert_int_equal(PARSE(&options, NULL, "--config", "/nonexistent", "-qh", "--nonsense"), 0);
    assert_true(options.help);
    assert_false(options.quiet);
    assert_null(options.config);
}

static void test_file(void **state _unused_)
{
    struct options options = {0};
    struct error error;

    assert_int_equal(parse_file(&options, &error,
                                "# a run\n[loads]\nfqdn = a.B.c\nusers=\n  1:2\nQUIET"
                                "\n"),
                     -EINVAL);
    conf_clear(&table, &options);
    assert_int_equal(parse_file(&options, &error,
                                "# a run\n[loads]\nfqdn = a.B.c\nusers=\n  1:2\nquiet: True\n"
                                "server-url = http://h/\noutput = json=a\n  null\n\n  file=b\n"
                                "tag =\n"),
                     0);
    assert_string_equal(options.fqn, "a.B.c");
    assert_numbers(&options.users, "1:2");
    assert_true(options.quiet);
    assert_string_equal(options.server_url, "http://h/");
    assert_int_equal(options.output.count, 3);
    assert_string_equal(options.output.items[2], "file=b");
    assert_int_equal(options.tag.count, 0);
    conf_clear(&table, &options);

    assert_int_equal(parse_file(&options, &error, "[loads]\nserver_url =\nquiet=off\n"), 0);
    assert_string_equal(options.server_url, "");
    conf_clear(&table, &options);
}

static void test_file_errors(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[loads]\n\nuser = 1\n", "run.ini:3: unknown key 'user' (did you mean 'users'?)"},
        {"[loads]\nserver_ulr = 1\n",
         "run.ini:2: unknown key 'server_ulr' (did you mean 'server_url'?)"},
        {"[loads]\nfrobnicate = 1\n",
         "run.ini:2: unknown key 'frobnicate'; 'loads-runner --help' lists all"},
        {"[loads]\nhelp = 1\n", "run.ini:2: 'help' can't stand in a file"},
        {"[load]\n", "run.ini:1: unknown section [load] (did you mean [loads]?)"},
        {"[broker]\n", "run.ini:1: unknown section [broker]; the options stand in [loads]"},
        {"users = 1\n", "run.ini:1: 'users' stands before any section; begin with [loads]"},
        {"[loads]\nfqn=a\nhits=1\nfqdn=b\n", "run.ini:4: 'fqdn' stands on line 2 already"},
        {"[loads]\nhits=1\n[loads]\n", "run.ini:3: [loads] stands on line 1 already"},
        {"[loads]\nusers = 10:x\n",
         "run.ini:2: users: '10:x' is not a list of numbers such as 10:20:30"},
        {"[loads]\nusers = 10\n  20\n", "run.ini:3: 'users' takes one value"},
        {"[loads]\nusers =\nhits = 1\n",
         "run.ini:2: users: '' is not a list of numbers such as 10:20:30"},
        {"[loads]\nusers =\n", "run.ini:2: users: '' is not a list of numbers such as 10:20:30"},
        {"[loads]\ntag =\n a=b\n c\n",
         "run.ini:4: tag: 'c' is not key=value, with a key of letters, digits, '_', '-' and '.', "
         "64 at most"},
        {"[loads]\nquiet = maybe\n",
         "run.ini:2: quiet: 'maybe' is neither yes (true, 1, on) nor no (false, 0, off)"},
    };
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct options options = {0};
        assert_int_equal(parse_file(&options, &error, cases[i].text), -EINVAL);
        assert_string_equal(error.text, cases[i].error);
        conf_clear(&table, &options);
    }
}

/* File < environment < command line, and a later list replaces an earlier one. */
static void test_order_of_sources(void **state _unused_)
{
    char name[] = "/tmp/test_conf.XXXXXX";
    static const char text[] = "[loads]\nfqn = from.The.file\nusers = 1\nhits = 1\nquiet = yes\n"
                               "output =\n  f1\n  f2\ntag =\n  f=1\n  f=2\n";
    struct options options = {.quiet = false};
    struct error error;

    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close_fd(fd);
    (void)setenv("LOADS_CONFIG", name, 1);
    (void)setenv("LOADS_USERS", "2", 1);
    (void)setenv("LOADS_HITS", "2", 1);
    (void)setenv("LOADS_QUIET", "no", 1);
    (void)setenv("LOADS_OUTPUT", "e1\ne2\n\ne3", 1);
    (void)setenv("LOADS_FQN", "", 1);
    (void)setenv("LOADS_VERBOSE", "yes", 1); /* not to be set from there */
    assert_int_equal(PARSE(&options, &error, "--hits", "3", "--tag", "c=1", "--tag", "c=2"), 0);
    assert_string_equal(options.fqn, "from.The.file");
    assert_numbers(&options.users, "2");
    assert_numbers(&options.hits, "3");
    assert_false(options.quiet || options.verbose);
    assert_int_equal(options.output.count, 3);
    assert_string_equal(options.output.items[0], "e1");
    assert_string_equal(options.output.items[2], "e3");
    assert_int_equal(options.tag.count, 2);
    assert_string_equal(options.tag.items[0], "c=1");
    conf_clear(&table, &options);

    (void)setenv("LOADS_CONFIG", "/nonexistent", 1);
    (void)setenv("LOADS_USERS", "x", 1);
    assert_int_equal(PARSE(&options, &error, "--config", name), -EINVAL);
    assert_string_equal(error.text, "LOADS_USERS: 'x' is not a list of numbers such as 10:20:30");
    conf_clear(&table, &options);
    (void)unlink(name);
}

/* A folder of its own with broker.conf and broker.conf.d; `text` of each, NULL: it isn't there. */
struct folder {
    char path[64];
    char names[3][96];
};

static void make_folder(struct folder *folder, const char *main_text, const char *first,
                        const char *second)
{
    const char *texts[] = {main_text, first, second};
    char directory[96];

    (void)snprintf(folder->path, sizeof folder->path, "/tmp/loads-test-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(directory, sizeof directory, "%s/broker.conf.d", folder->path);
    assert_int_equal(mkdir(directory, 0700), 0);
    (void)snprintf(folder->names[0], sizeof folder->names[0], "%s/broker.conf", folder->path);
    (void)snprintf(folder->names[1], sizeof folder->names[1], "%s/1.conf", directory);
    (void)snprintf(folder->names[2], sizeof folder->names[2], "%s/2.conf", directory);
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        FILE *file = texts[i] ? fopen(folder->names[i], "we") : NULL;
        if (file) {
            fputs(texts[i], file);
            assert_int_equal(fclose(file), 0);
        }
    }
}

static void remove_folder(struct folder *folder)
{
    char directory[96];
    for (size_t i = 0; i < ELEMENTSOF(folder->names); i++) {
        (void)unlink(folder->names[i]);
    }
    (void)snprintf(directory, sizeof directory, "%s/broker.conf.d", folder->path);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(rmdir(folder->path), 0);
}

static int parse_folder(const struct folder *folder, struct options *options, struct error *error)
{
    struct conf_table copy = table;
    char program[] = "loads-runner", *const arguments[] = {program, NULL};

    copy.file = folder->names[0];
    copy.directory = true;
    return conf_parse(&copy, 1, arguments, options, error);
}

static void test_default_file_and_directory(void **state _unused_)
{
    struct options options = {0};
    struct error error;
    struct folder folder;

    make_folder(&folder, "[loads]\nfqn = a\nserver_url = x\noutput = json\n",
                "[loads]\nserver_url = y\noutput = null\n stdout\n", "[loads]\nserver_url = z\n");
    assert_int_equal(parse_folder(&folder, &options, &error), 0);
    assert_string_equal(options.fqn, "a");
    assert_string_equal(options.server_url, "z");
    assert_int_equal(options.output.count, 2);
    assert_string_equal(options.output.items[0], "null");
    conf_clear(&table, &options);
    remove_folder(&folder);

    make_folder(&folder, NULL, "[loads]\nfqn = b\n", NULL); /* the file itself may be missing */
    assert_int_equal(parse_folder(&folder, &options, &error), 0);
    assert_string_equal(options.fqn, "b");
    conf_clear(&table, &options);
    remove_folder(&folder);

    make_folder(&folder, NULL, NULL, "[loads]\nfqn = b\nfly = 1\n");
    assert_int_equal(parse_folder(&folder, &options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "/broker.conf.d/2.conf:3: unknown key 'fly'"));
    conf_clear(&table, &options);
    remove_folder(&folder);
}

static void test_lists_are_bounded(void **state _unused_)
{
    const char *arguments[CONF_MAX_ITEMS + 3] = {"loads-runner"};
    struct options options = {0};
    struct error error;

    for (size_t i = 1; i <= CONF_MAX_ITEMS + 1; i++) {
        arguments[i] = "-onull";
    }
    assert_int_equal(parse_arguments(&options, &error, arguments), -EINVAL);
    assert_string_equal(error.text, "--output: more than 1000 values");
    conf_clear(&table, &options);
}

static void test_help_text(void **state _unused_)
{
    static const char want[] =
        "Usage: loads-runner [OPTION...] FQN\n"
        "\n"
        "Runs a load test, and says what it found in a paragraph that is too long for one\n"
        "line.\n"
        "\n"
        "What:\n"
        "  FQN                         What to run.\n"
        "\n"
        "How much:\n"
        "  -u, --users=N[:N…]          How many users.\n"
        "  -c, -n, --hits=N[:N…]       How often each user runs the test, a sentence that\n"
        "                              is long enough to need a second line and even a\n"
        "                              third one.\n"
        "\n"
        "Reports:\n"
        "  -o, --output=NAME[=FILE]    A report.\n"
        "      --tag=KEY=VALUE         A tag.\n"
        "  -q, --quiet                 No progress.\n"
        "\n"
        "Other:\n"
        "      --server-url=A-VERY-LONG-METAVAR-INDEED\n"
        "                              Where.\n"
        "      --config=FILE           Options from a file.\n"
        "  -h, --help                  This text.\n";
    _cleanup_free_ char *text = NULL;
    size_t size;

    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    conf_print_help(&table, file);
    fclose(file);
    assert_string_equal(text, want);
}

static int count_until_tag(const struct conf_option *option, void *context)
{
    ++*(int *)context;
    return strcmp(option->name, "tag") == 0 ? 5 : 0;
}

/* Two programs that have rows in common, and one that has nothing else. */
static void test_shared_rows(void **state _unused_)
{
    struct common {
        char *name;
        struct strlist items;
        bool flag;
    };
    struct all {
        bool own;
        struct common first;
        char *text;
        struct common second;
    };
    static const struct conf_option common[] = {
        {"name", NULL, "n", "N", "A name.", "Common", CONF_STRING, CONF_FILE,
         offsetof(struct common, name), NULL},
        {"item", NULL, NULL, "I", "An item.", "Common", CONF_LIST, CONF_FILE,
         offsetof(struct common, items), NULL},
    };
    static const struct conf_option flag[] = {
        {"flag", NULL, "f", NULL, "A flag.", "Common", CONF_FLAG, 0, offsetof(struct common, flag),
         NULL},
    };
    static const struct conf_option own[] = {
        {"own", NULL, NULL, NULL, "A flag.", "Own", CONF_FLAG, 0, offsetof(struct all, own), NULL},
        {"text", NULL, NULL, "T", "A text.", "Own", CONF_STRING, CONF_FILE,
         offsetof(struct all, text), NULL},
    };
    const struct conf_rows first = {common, ELEMENTSOF(common)}, second = {flag, ELEMENTSOF(flag)};
    const struct conf_shared shared[] = {
        {&first, offsetof(struct all, first)},
        {&second, offsetof(struct all, second)},
        {.rows = NULL},
    };
    struct conf_table both = {.program = "p",
                              .usage = "",
                              .summary = "",
                              .section = "s",
                              .options = own,
                              .count = ELEMENTSOF(own),
                              .shared = shared};
    char *const argv[] = {(char *)"p",        (char *)"--own",    (char *)"-n",
                          (char *)"x",        (char *)"-f",       (char *)"--item=1",
                          (char *)"--item=2", (char *)"--text=t", NULL};
    const char *expected[] = {"name", "item", "flag", "own", "text"};
    struct all all = {.text = NULL};
    struct error error;
    size_t n = 0;

    for (const struct conf_option *row = conf_next(&both, NULL); row; row = conf_next(&both, row)) {
        assert_string_equal(row->name, expected[n++]);
    }
    assert_int_equal(n, ELEMENTSOF(expected));
    assert_int_equal(conf_parse(&both, 8, argv, &all, &error), 0);
    assert_string_equal(all.first.name, "x");
    assert_int_equal(all.first.items.count, 2);
    assert_true(all.own && all.second.flag && !all.first.flag);
    assert_string_equal(all.text, "t");

    static const char text[] = "[s]\nitem = 3\nname = y\nitem = 4\n";
    FILE *file = fmemopen((void *)text, sizeof text - 1, "r");
    assert_non_null(file);
    assert_int_equal(conf_read_file(&both, file, "file", &all, &error), -EINVAL);
    (void)fclose(file);
    assert_string_equal(error.text, "file:4: 'item' stands on line 2 already");
    assert_string_equal(all.first.name, "y");
    conf_clear(&both, &all);
    assert_null(all.text);
    assert_null(all.first.name);

    both.count = 0;
    n = 0;
    for (const struct conf_option *row = conf_next(&both, NULL); row; row = conf_next(&both, row)) {
        assert_string_equal(row->name, expected[n++]);
    }
    assert_int_equal(n, 3);
}

static void test_each_and_names(void **state _unused_)
{
    char name[CONF_NAME_BYTES];
    int count = 0;

    assert_int_equal(conf_each(&table, count_until_tag, &count), 5);
    assert_int_equal(count, 5);
    assert_string_equal(conf_variable(&rows[7], name), "LOADS_SERVER_URL");
    assert_string_equal(conf_key(&rows[7], name), "server_url");
}

/* ---- secrets ---- */

static int refuse(const char *text, void *field _unused_, struct error *error)
{
    return error_set(error, -EINVAL, "'%s' is wrong", text);
}

#define SECRET_AT(member) offsetof(struct secret_options, member)

static const struct secret_options {
    char *database, *url, *plain;
    struct strlist more;
} no_options;

static const struct conf_option secret_rows[] = {
    {"database", NULL, "d", "D", "Where.", "All", CONF_STRING, ANYWHERE | CONF_SECRET,
     SECRET_AT(database), NULL},
    {"wrong", NULL, "w", "W", "Never right.", "All", CONF_STRING, ANYWHERE | CONF_SECRET,
     SECRET_AT(database), refuse},
    {"url", NULL, NULL, "URL", "What.", "All", CONF_STRING, ANYWHERE | CONF_URL | CONF_POSITIONAL,
     SECRET_AT(url), NULL},
    {"plain", NULL, "p", "P", "Else.", "All", CONF_STRING, ANYWHERE, SECRET_AT(plain), NULL},
    {"more", NULL, NULL, "M", "More.", "All", CONF_LIST, CONF_SECRET, SECRET_AT(more), NULL},
};

static const struct conf_table secret_table = {.program = "p",
                                               .usage = "",
                                               .summary = "",
                                               .section = "p",
                                               .options = secret_rows,
                                               .count = ELEMENTSOF(secret_rows)};

/* Wherever the value comes from; what it is is the program's business. */
static void test_a_secret_that_is_wrong(void **state _unused_)
{
    static const char text[] = "[p]\nwrong = hush\n";
    char *const argv[] = {(char *)"p", (char *)"--wrong=hush", NULL};
    char *const nothing[] = {(char *)"p", (char *)"--wrong=", NULL};
    struct secret_options options = no_options;
    struct error error = {0};

    assert_int_equal(conf_parse(&secret_table, 2, argv, &options, &error), -EINVAL);
    assert_string_equal(error.text, "--wrong: '(secret)' makes no sense");
    assert_int_equal(conf_parse(&secret_table, 2, nothing, &options, &error), -EINVAL);
    assert_string_equal(error.text, "--wrong: '' is wrong");
    assert_int_equal(setenv("LOADS_WRONG", "hush", 1), 0);
    assert_int_equal(conf_parse(&secret_table, 1, argv, &options, &error), -EINVAL);
    assert_string_equal(error.text, "LOADS_WRONG: '(secret)' makes no sense");
    assert_int_equal(unsetenv("LOADS_WRONG"), 0);
    FILE *file = fmemopen((void *)text, sizeof text - 1, "r");
    assert_non_null(file);
    assert_int_equal(conf_read_file(&secret_table, file, "file", &options, &error), -EINVAL);
    (void)fclose(file);
    assert_string_equal(error.text, "file:2: wrong: '(secret)' makes no sense");
    conf_clear(&secret_table, &options);
}

/* What `ps` shows of a program has no secrets any more, and the program has them still. */
static void test_hidden_arguments(void **state _unused_)
{
    char texts[][32] = {"p",  "--database=hush", "-p", "me", "-dhush", "--more", "hush",
                        "--", "http://me:h@h"};
    static const char *const hidden[] = {
        "p", "--database=****", "-p", "me", "-d****", "--more", "****", "--", "http://****@h"};
    char *argv[ELEMENTSOF(texts) + 1] = {NULL};
    struct secret_options options = no_options;

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        argv[i] = texts[i];
    }
    assert_int_equal(conf_parse(&secret_table, ELEMENTSOF(texts), argv, &options, NULL), 0);
    conf_hide_arguments(&secret_table, ELEMENTSOF(texts), argv);
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        assert_string_equal(texts[i], hidden[i]);
    }
    assert_string_equal(options.database, "hush");
    assert_string_equal(options.url, "http://me:h@h");
    assert_string_equal(options.more.items[0], "hush");
    conf_clear(&secret_table, &options);
}

/* Of a file that is another program's some keys are read, and the lists among the others passed
 * over; what is spelled nearly like one of ours is a mistake all the same. */
static void test_part_of_a_file(void **state _unused_)
{
    static const char good[] = "[loads]\nagents = a\n  b\nusers = 5\nwhatever = x\n";
    static const char bad[] = "[loads]\nagents = a\nuser = 5\n";
    struct conf_table part = table;
    struct options options = {0};
    struct error error = {0};
    FILE *file = fmemopen((void *)good, sizeof good - 1, "r");

    part.partial = true;
    assert_non_null(file);
    assert_int_equal(conf_read_file(&part, file, "file", &options, &error), 0);
    assert_int_equal(options.users.values[0], 5);
    (void)fclose(file);
    file = fmemopen((void *)bad, sizeof bad - 1, "r");
    assert_non_null(file);
    assert_int_equal(conf_read_file(&part, file, "file", &options, &error), -EINVAL);
    assert_string_equal(error.text, "file:3: unknown key 'user' (did you mean 'users'?)");
    (void)fclose(file);
    conf_clear(&part, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_command_line_errors),
        cmocka_unit_test(test_help_alone),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_part_of_a_file),
        cmocka_unit_test_teardown(test_order_of_sources, clear_environment),
        cmocka_unit_test_setup(test_default_file_and_directory, clear_environment),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_help_text),
        cmocka_unit_test(test_shared_rows),
        cmocka_unit_test(test_each_and_names),
        cmocka_unit_test(test_a_secret_that_is_wrong),
        cmocka_unit_test(test_hidden_arguments),
    };
    (void)clear_environment(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
