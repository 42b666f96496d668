/* SPDX-License-Identifier: MPL-2.0 */
/* The table, and nothing else. */
#include "options.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/parse.h"
#include "instance.h"

#define MAX_WORKERS   1024
#define MIN_IDLE_USEC USEC_PER_SEC

/* Of the cgroup of a run. */
#define MIN_MEMORY_BYTES (UINT64_C(16) << 20)
#define MIN_PIDS         16         /* threads count */
#define MAX_PIDS         (4U << 20) /* that a kernel has */
#define MAX_CPU_PERCENT  100000U

static int parse_workers(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, MAX_WORKERS, field, error);
}

static int parse_age(const char *text, void *field, struct error *error)
{
    return parse_duration(text, field, error);
}

/* Less than that no worker can be with. */
static int parse_memory(const char *text, void *field, struct error *error)
{
    uint64_t bytes;
    int r = parse_size(text, &bytes, error);

    if (r < 0) {
        return r;
    }
    if (bytes < MIN_MEMORY_BYTES) {
        return error_set(error, -EINVAL, "'%s' is too little: at least %juM", text,
                         (uintmax_t)(MIN_MEMORY_BYTES >> 20));
    }
    *(uint64_t *)field = bytes;
    return 0;
}

static int parse_pids(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, MIN_PIDS, MAX_PIDS, field, error);
}

static int parse_cpu(const char *text, void *field, struct error *error)
{
    size_t length = strlen(text);
    char number[16];

    if (length > 1 && length <= sizeof number && text[length - 1] == '%') {
        memcpy(number, text, length - 1);
        number[length - 1] = '\0';
        if (parse_unsigned(number, 1, MAX_CPU_PERCENT, field, NULL) == 0) {
            return 0;
        }
    }
    return error_set(error, -EINVAL,
                     "'%s' is not a share of one processor such as 150%% (1%% to %u%%)", text,
                     MAX_CPU_PERCENT);
}

/* Who is woken must be there still when the broker looks. */
static int parse_idle(const char *text, void *field, struct error *error)
{
    uint64_t usec;
    int r = parse_duration(text, &usec, error);

    if (r == 0 && usec > 0 && usec < MIN_IDLE_USEC) {
        r = error_set(error, -EINVAL, "'%s' is too short: 1s is the least", text);
    }
    if (r == 0) {
        *(uint64_t *)field = usec;
    }
    return r;
}

static int parse_level(const char *text, void *field, struct error *error)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"error", LOG_ERR},
                  {"warning", LOG_WARNING},
                  {"notice", LOG_NOTICE},
                  {"info", LOG_INFO},
                  {"debug", LOG_DEBUG}};

    for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *(int *)field = levels[i].level;
            return 0;
        }
    }
    return error_set(error, -EINVAL,
                     "'%s' is not a level: error, warning, notice, info and debug are", text);
}

static int judge_instance(const char *text, void *field _unused_, struct error *error)
{
    return instance_check(text, error);
}

static int judge_address(const char *text, void *field _unused_, struct error *error)
{
    if (strncmp(text, "ipc://", 6) == 0 || strncmp(text, "tcp://", 6) == 0) {
        return 0;
    }
    return error_set(error, -EINVAL,
                     "'%s' is not an address such as tcp://box1:7780 or "
                     "ipc:///run/loads/frontend.sock",
                     text);
}

static int judge_directory(const char *text, void *field _unused_, struct error *error)
{
    return text[0] == '/' ? 0 : error_set(error, -EINVAL, "'%s' is not an absolute path", text);
}

#define ROW(name_, kind_, where_, field_, metavar_, parse_, group_, help_)                         \
    {                                                                                              \
        .name = name_, .kind = kind_, .where = where_, .metavar = metavar_, .parse = parse_,       \
        .group = group_, .help = help_, .offset = offsetof(struct agent_program_options, field_)   \
    }

#define BROKER "The broker"
#define WORK   "Runs"
#define OTHER  "Other options"

static const struct conf_option rows[] = {
    ROW("broker", CONF_STRING, CONF_FILE | CONF_ENVIRONMENT, broker, "ADDRESS", judge_address,
        BROKER, "Address of the broker's frontend (that of this machine)."),
    ROW("instance", CONF_STRING, CONF_FILE, instance, "NAME", judge_instance, BROKER,
        "Which of this machine's agents this is: it registers as HOST-NAME (the first number "
        "that is free)."),
    ROW("control", CONF_LIST, CONF_FILE, control, "ADDRESS", judge_address, BROKER,
        "Where to listen for STATUS, DRAIN, WAKE and PING; may be repeated (a socket beside the "
        "broker's)."),
    ROW("allow-insecure", CONF_FLAG, CONF_FILE, allow_insecure, NULL, NULL, BROKER,
        "Have the control socket where other machines can reach it, although there are no keys."),
    ROW("workers", CONF_VALUE, CONF_FILE, workers, "N", parse_workers, WORK,
        "Worker processes of a run, at most (the machine's cores)."),
    ROW("work-dir", CONF_STRING, CONF_FILE, work_dir, "DIR", judge_directory, WORK,
        "Where directories for the files of runs are made ($TMPDIR, or /var/tmp)."),
    ROW("run-memory-max", CONF_VALUE, CONF_FILE, run_max.memory_bytes, "SIZE", parse_memory, WORK,
        "Memory that all processes of a run may have together (no limit)."),
    ROW("run-pids-max", CONF_VALUE, CONF_FILE, run_max.pids, "N", parse_pids, WORK,
        "Processes and threads that a run may have (no limit)."),
    ROW("run-cpu-max", CONF_VALUE, CONF_FILE, run_max.cpu_percent, "PERCENT%", parse_cpu, WORK,
        "Processor time of a run, 100% being one processor (no limit)."),
    ROW("idle-exit", CONF_VALUE, CONF_FILE, idle_exit_usec, "TIME", parse_idle, WORK,
        "Leave when there was no run for that long (never)."),
    ROW("max-age", CONF_VALUE, CONF_FILE, max_age_usec, "TIME", parse_age, WORK,
        "Leave after that long, when no run is on (never)."),
    ROW("max-age-delta", CONF_VALUE, CONF_FILE, max_age_delta_usec, "TIME", parse_age, WORK,
        "Make max-age longer by up to that, by chance."),
    {.name = "config",
     .letters = "c",
     .kind = CONF_STRING,
     .where = CONF_NAMES_FILE,
     .metavar = "FILE",
     .group = OTHER,
     .help = "Read this file (/etc/loads/agent.conf), and FILE.d/*.conf.",
     .offset = offsetof(struct agent_program_options, config)},
    ROW("log-level", CONF_VALUE, CONF_FILE, log_level, "LEVEL", parse_level, OTHER,
        "The least important lines to log: error, warning, notice, info, debug (info)."),
    {.name = "help",
     .letters = "h",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = OTHER,
     .help = "Show this help.",
     .offset = offsetof(struct agent_program_options, help)},
    {.name = "version",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = OTHER,
     .help = "Show the version.",
     .offset = offsetof(struct agent_program_options, version)},
};

const struct conf_table agent_table = {
    .program = "loads-agent",
    .usage = "[OPTION...]",
    .summary = "Waits for runs that a loads-broker has for this machine, and makes them.",
    .section = "agent",
    .file = "/etc/loads/agent.conf",
    .directory = true,
    .options = rows,
    .count = ELEMENTSOF(rows),
};

int agent_options_parse(int argc, char *const argv[], struct agent_program_options *options,
                        struct error *error)
{
    *options = (struct agent_program_options){.log_level = LOG_INFO};
    return conf_parse(&agent_table, argc, argv, options, error);
}

void agent_options_clear(struct agent_program_options *options)
{
    conf_clear(&agent_table, options);
}
