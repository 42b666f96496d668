/* SPDX-License-Identifier: MPL-2.0 */
/* Keys for connections between machines: making one's own, letting others in on the broker's
 * machine, and believing a broker. None of it asks a broker. */
#ifndef LOADS_LOADSCTL_KEYS_H
#define LOADS_LOADSCTL_KEYS_H

#include "options.h"

/* What goes wrong is said on standard error. */
enum exit_code verb_keygen(const struct ctl_options *options);
enum exit_code verb_key(const struct ctl_options *options);
enum exit_code verb_trust(const struct ctl_options *options);

#endif
