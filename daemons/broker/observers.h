/* SPDX-License-Identifier: MPL-2.0 */
/* Which observers a run has, where their programs are, and with which options they are started:
 * what the broker's configuration and the run say together. */
#ifndef LOADS_BROKER_OBSERVERS_H
#define LOADS_BROKER_OBSERVERS_H

#include "options.h"
#include "wire/json.h"
#include "wire/spec.h"

/* Whether a run may have the observers and options that it asks for. -EINVAL with a text. */
int observers_check(const struct broker_options *options, const struct run_spec *spec,
                    struct error *error) _must_check_;

/* The observers of a run: the configured ones, then its own; each once. */
int observers_list(const struct broker_options *options, const struct run_spec *spec,
                   struct strlist *ret) _must_check_;

/* The command that starts an observer, to be freed with strlist_clear(). -ENOENT with a text: it
 * isn't installed; -EACCES: callables must be allowed. */
int observers_find(const struct broker_options *options, const char *name, struct strlist *ret,
                   struct error *error) _must_check_;

/* Its options as an object, the caller's. NULL: no memory. */
json_t *observers_options(const struct broker_options *options, const struct run_spec *spec,
                          const char *name);

#endif
