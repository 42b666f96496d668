/* SPDX-License-Identifier: MPL-2.0 */
/* What libzmq does with addresses and shouldn't, made good before and after. Part of mq.c. */
#ifndef LOADS_LOOP_MQ_ADDRESS_H
#define LOADS_LOOP_MQ_ADDRESS_H

#include "base/error.h"

/* Whether an address can be listened on; of ipc:// only, all else is libzmq's to say. -EADDRINUSE,
 * -ENAMETOOLONG, -EINVAL, … with a text. */
int mq_address_check(const char *address, struct error *error) _must_check_;

/* Writes an IPv4 address that is shown as one of IPv6 that it is mapped to as people do. */
void mq_address_show_plainly(char *endpoint);

/* The same of an address without scheme: the end of the text. */
const char *mq_address_plain(const char *address);

#endif
