/* SPDX-License-Identifier: MPL-2.0 */
/* What a unit test includes first: cmocka wants these in this order. */
#ifndef LOADS_TESTS_UNIT_TEST_H
#define LOADS_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
