/* SPDX-License-Identifier: MPL-2.0 */
/* What test_symbolize.c looks up: built with debug information and without. */
#include "symbolize_object.h"

int symbolize_first(int n)
{
    return n + 1;
}

int loads_body_Shop_login(int n)
{
    return n * 3;
}
