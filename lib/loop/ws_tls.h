/* SPDX-License-Identifier: MPL-2.0 */
/* What is said of a WebSocket's TLS, in the lines that `curl -v` has for it. */
#ifndef LOADS_LOOP_WS_TLS_H
#define LOADS_LOOP_WS_TLS_H

struct lws;

/* Calls `told` for each line; of a connection without TLS there is none. What is in the server's
 * certificate is in them as it is. */
void ws_tls_tell(struct lws *wsi, void (*told)(const char *line, void *context), void *context);

#endif
