/* SPDX-License-Identifier: MPL-2.0 */
/* XML, written piece by piece. Failures to write stay with the stream. */
#ifndef LOADS_OUTPUTS_XML_H
#define LOADS_OUTPUTS_XML_H

#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

/* A text from outside as it may stand between tags and in attributes: what XML 1.0 has no way to
 * write (control characters, bytes that are no UTF-8) becomes U+FFFD. */
void xml_put_text(FILE *file, const char *text, size_t size);

/* ` name="text"`; the second in a printf() form that has no text from outside. */
void xml_put_attribute(FILE *file, const char *name, const char *text);
void xml_put_attribute_bytes(FILE *file, const char *name, const char *text, size_t size);
void xml_put_attribute_format(FILE *file, const char *name, const char *format, ...) _printf_(3, 4);

#endif
