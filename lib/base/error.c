/* SPDX-License-Identifier: MPL-2.0 */
/* Error texts. A fixed buffer inside the caller's struct, so that reporting a failure can't itself
 * fail for want of memory. Lines and tabs are kept (a compiler's words have them), other control
 * characters become '?': the text ends on terminals and in logs. */
#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What the header tells clang's analyzer isn't meant for the functions themselves. */
#undef error_set
#undef error_set_errno
#undef error_prefix

static void clean(char *text)
{
    for (char *c = text; *c; c++) {
        if (iscntrl((unsigned char)*c) && *c != '\n' && *c != '\t') {
            *c = '?';
        }
    }
}

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        error->code = code;
        va_start(arguments, format);
        (void)vsnprintf(error->text, sizeof error->text, format, arguments); /* cut is fine */
        va_end(arguments);
        clean(error->text);
    }
    return code;
}

int error_set_errno(struct error *error, int code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        char reason[128];
        error->code = code;
        va_start(arguments, format);
        (void)vsnprintf(error->text, sizeof error->text, format, arguments); /* cut is fine */
        va_end(arguments);
        size_t length = strlen(error->text);
        (void)snprintf(error->text + length, sizeof error->text - length, ": %s",
                       strerror_r(-code, reason, sizeof reason));
        clean(error->text);
    }
    return code;
}

int error_prefix(struct error *error, int code, const char *format, ...)
{
    if (!error) {
        return code;
    }
    char text[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    size_t length = strlen(text);
    (void)snprintf(text + length, sizeof text - length, ": %s", error->text);
    memcpy(error->text, text, sizeof text);
    clean(error->text);
    error->code = code;
    return code;
}
