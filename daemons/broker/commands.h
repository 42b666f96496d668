/* SPDX-License-Identifier: MPL-2.0 */
/* The commands about runs: docs/protocol.md says what each is for. */
#ifndef LOADS_BROKER_COMMANDS_H
#define LOADS_BROKER_COMMANDS_H

#include "broker.h"

command command_list_runs, command_runs, command_snapshot, command_timeline, command_stop_run,
    command_get_counts, command_get_urls, command_get_metadata, command_get_data, command_logs,
    command_detach_run, command_delete_run, command_compare, command_baselines,
    command_baseline_set, command_baseline_remove;

#endif
