/* SPDX-License-Identifier: MPL-2.0 */
#ifndef LOADS_TESTS_UNIT_SYMBOLIZE_OBJECT_H
#define LOADS_TESTS_UNIT_SYMBOLIZE_OBJECT_H

__attribute__((visibility("default"))) int symbolize_first(int n);
__attribute__((visibility("default"))) int loads_body_Shop_login(int n);

#endif
