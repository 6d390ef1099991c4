/*
 * How far the topics of commands are known to be written: by what all workers
 * had acknowledged, and by what the daemon has seen.
 */

#ifndef _NGX_HTTP_WAREHOUSE_ENDS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_ENDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "wh_position.h"


/* A command was written there; topic ends with a NUL. */
void ngx_http_warehouse_ends_raise(const char *topic, int32_t partition,
    int64_t offset);

/*
 * Whether a command may be at a position that is not processed.  The daemon says
 * once a second how far it sees: one that others have written since is not known
 * of; where it does not say, one may be anywhere.
 */
ngx_uint_t ngx_http_warehouse_ends_reach(ngx_http_request_t *r,
    ngx_str_t *topic, const wh_position_t *position);


#endif /* _NGX_HTTP_WAREHOUSE_ENDS_H_INCLUDED_ */
