/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of the server: what its error codes mean to us, and access to rows. Who asks has to know
 * which errors are the data's fault and which ones will be over some time; that is all that the
 * codes tell apart. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/pq_state.h"

/* SQLSTATEs begin with a class of two letters. The first row that fits counts. */
static const struct {
    const char *prefix;
    int code;
} codes[] = {
    {"08", -ECONNRESET}, {"22", -EINVAL},    {"23503", -ENOENT},    {"23505", -EEXIST},
    {"23", -EINVAL},     {"25006", -EROFS},  {"25P03", -ETIMEDOUT}, {"28", -EACCES},
    {"3D", -EPROTO},     {"3F", -EPROTO},    {"40", -EAGAIN},       {"42501", -EACCES},
    {"42", -EPROTO},     {"53100", -ENOSPC}, {"53200", -ENOMEM},    {"53", -EBUSY},
    {"54", -E2BIG},      {"55", -EBUSY},     {"57014", -ETIMEDOUT}, {"57", -ESHUTDOWN},
    {"P0", -EINVAL},
};

static int code_of(const char *sqlstate)
{
    if (!sqlstate[0]) {
        return -ECONNRESET; /* libpq's own errors */
    }
    for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
        if (strncmp(sqlstate, codes[i].prefix, strlen(codes[i].prefix)) == 0) {
            return codes[i].code;
        }
    }
    return -EIO;
}

void pq_copy_words(char *out, size_t size, const char *words)
{
    size_t used = 0;

    for (; *words && used + 1 < size; words++) {
        if (*words != '\n') {
            out[used++] = *words;
        } else if (used > 0 && out[used - 1] != ' ') {
            out[used++] = ' ';
        }
    }
    while (used > 0 && out[used - 1] == ' ') {
        used--;
    }
    out[used] = '\0';
}

static bool is_good(ExecStatusType status)
{
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

void pq_result_init(struct pq_result *ret, PGresult *result, struct error *text)
{
    *ret = (struct pq_result){.result = result, .text = ""};
    if (is_good(PQresultStatus(result))) {
        return;
    }
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    char words[1024];
    pq_copy_words(words, sizeof words, primary ? primary : PQresultErrorMessage(result));
    (void)snprintf(ret->sqlstate, sizeof ret->sqlstate, "%s", sqlstate ? sqlstate : "");
    ret->code = error_set(text, code_of(ret->sqlstate), "%s%s%.1024s", words, detail ? ": " : "",
                          detail ? detail : "");
    ret->text = text->text;
}

int pq_result_code(const struct pq_result *result)
{
    return result->code;
}

const char *pq_result_text(const struct pq_result *result)
{
    return result->text;
}

const char *pq_result_sqlstate(const struct pq_result *result)
{
    return result->sqlstate;
}

size_t pq_result_rows(const struct pq_result *result)
{
    return result->result ? (size_t)PQntuples(result->result) : 0;
}

uint64_t pq_result_affected(const struct pq_result *result)
{
    return result->result ? strtoull(PQcmdTuples(result->result), NULL, 10) : 0;
}

const char *pq_result_value(const struct pq_result *result, size_t row, size_t column)
{
    return PQgetvalue(result->result, (int)row, (int)column);
}

bool pq_result_is_null(const struct pq_result *result, size_t row, size_t column)
{
    return PQgetisnull(result->result, (int)row, (int)column);
}
