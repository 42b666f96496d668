/* SPDX-License-Identifier: MPL-2.0 */
/* The verbs that have more to do than to call what loads-runner calls, too. What goes wrong is said
 * on standard error. */
#ifndef LOADS_LOADSCTL_VERBS_H
#define LOADS_LOADSCTL_VERBS_H

#include "options.h"

enum exit_code verb_runs(const struct ctl_options *options);
enum exit_code verb_show(const struct ctl_options *options);
enum exit_code verb_logs(const struct ctl_options *options);
enum exit_code verb_compare(const struct ctl_options *options);
enum exit_code verb_baseline(const struct ctl_options *options);
enum exit_code verb_agents(const struct ctl_options *options);

#endif
