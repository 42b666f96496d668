/* SPDX-License-Identifier: MPL-2.0 */
/* What operators search the journal for. Each event has an id that never changes, as MESSAGE_ID=, a
 * level, and an entry in units/loads.catalog that says what it means and what to do about it
 * (`journalctl --catalog`). The fields that an entry names with @FIELD@ are always there. */
#ifndef LOADS_BASE_EVENTS_H
#define LOADS_BASE_EVENTS_H

#include <syslog.h>

#define LOG_EVENTS(X)                                                                              \
    /* Runs, by the broker. */                                                                     \
    X(RUN_SUBMITTED, LOG_INFO, "25cf2b6fa30847bea489ad14290b4e7d")                                 \
    X(RUN_STARTED, LOG_INFO, "b74132d282db4c409b8cd06b82c6d437")                                   \
    X(RUN_STOPPED, LOG_INFO, "853751bead5147d09b0c05332a1ca912")                                   \
    X(RUN_FINISHED, LOG_INFO, "9ee214b878124efca11c7f3ebaf71f16")                                  \
    X(RUN_FAILED, LOG_NOTICE, "41669febfeff4287a102912598a3ff60")                                  \
    X(RUN_ABORTED, LOG_NOTICE, "63601e59279749cbb9c37d78c27dc1fb")                                 \
    X(RESULTS_REJECTED, LOG_WARNING, "d4e2745d0fd146c19017da869465be5b")                           \
    X(OBSERVER_FAILED, LOG_WARNING, "e50c943b720c4d0a9a9bb0fcd583d672")                            \
    /* Agents, by the broker. */                                                                   \
    X(AGENT_JOINED, LOG_INFO, "88538b9c1e844ce0a0706a903633baef")                                  \
    X(AGENT_LOST, LOG_WARNING, "e4d0054497f54582bb9fbd49184d652e")                                 \
    X(AGENT_BACK, LOG_NOTICE, "18283b2186ea4e42ac9216fe35555606")                                  \
    X(AGENT_LEFT, LOG_INFO, "51c4352a66ea4745b70108f4fe3c0416")                                    \
    /* The broker's own. */                                                                        \
    X(DATABASE_LOST, LOG_WARNING, "cf4f60728fcc4622a1696f35be308c3e")                              \
    X(DATABASE_BACK, LOG_NOTICE, "61dafaa0c7c5479ea885e416fce83abb")                               \
    X(REQUEST_REFUSED, LOG_NOTICE, "568edc8f8cb046db82d826234df04296")                             \
    X(CONNECTION_REFUSED, LOG_NOTICE, "1a092cdc4c4743248d162625083f2873")                          \
    X(KEYS_TAKEN_AWAY, LOG_NOTICE, "024b5520030a47a395885f8dbd9c8071")                             \
    X(CONFIGURATION_READ, LOG_INFO, "1205af5386354fa69f95e0cbb59eb013")                            \
    X(CONFIGURATION_REFUSED, LOG_ERR, "8ac0fd4b16944a64a648d65f5ada54df")                          \
    /* By an agent. */                                                                             \
    X(BROKER_REACHED, LOG_INFO, "975b470981f44472bedfc0279f689cbc")                                \
    X(BROKER_LOST, LOG_WARNING, "880b1c5e288e4e4f91748a4f0fd3cd8e")                                \
    X(PART_TAKEN, LOG_INFO, "1c5bd0a905f8446f9b4e4e52f8b5fb1b")                                    \
    X(PART_ENDED, LOG_INFO, "b3d94f15d7c24f95847c48a565fbd788")                                    \
    X(PART_FAILED, LOG_ERR, "0f231f99e20e4c0e97e78fdb71c8b0c7")                                    \
    X(WORKER_CRASHED, LOG_WARNING, "1135cce8e85e400cbb7c74c603bc46f2")

enum log_event {
#define X(name, level, id) EVENT_##name,
    LOG_EVENTS(X)
#undef X
        LOG_EVENTS_COUNT
};

#endif
