/*
 * The context of a distributed trace, handed on with a command: what a client
 * sends in traceparent and tracestate (W3C Trace Context, level 1).
 */

#ifndef WH_TRACE_H
#define WH_TRACE_H

#include <stddef.h>


/* fields of HTTP, and headers of a Kafka message */
#define WH_TRACE_PARENT  "traceparent"
#define WH_TRACE_STATE   "tracestate"

#define WH_TRACE_PARENT_MAX  255      /* bytes; of version 00: 55 */
#define WH_TRACE_STATE_MAX   1024     /* at least 512: §3.3.1.5 */


/* True if len bytes are a traceparent that may be handed on: §3.2, §4.3. */
int wh_trace_parent_valid(const char *text, size_t len);

/* The same for a tracestate, whose list is not looked into. */
int wh_trace_state_valid(const char *text, size_t len);


#endif
