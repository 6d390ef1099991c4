/*
 * A snapshot: the bytes of a list, in memory or in a file, shared by the
 * requests that may see the same state.  Knows neither database nor format.
 */

#ifndef _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <xxhash.h>


typedef struct ngx_http_warehouse_snapshot_s  ngx_http_warehouse_snapshot_t;


/*
 * Creates an empty one with one reference.  version is the caller's; buffer is
 * what the list may take of memory, in bytes; what is before its last bytes
 * goes to an unlinked file in temp_path.  *live counts the bytes of all lists
 * that were created with it, in memory and files; it outlives them.
 * NULL: out of memory.
 */
ngx_http_warehouse_snapshot_t *ngx_http_warehouse_snapshot_create(int version,
    size_t buffer, ngx_path_t *temp_path, off_t *live, ngx_log_t *log);

/*
 * Makes room for size bytes in one piece at the list's end; what is used of
 * it is then added with ngx_http_warehouse_snapshot_append().  NULL: no memory
 * or no room on the disk, as ngx_http_warehouse_snapshot_error() says.
 */
u_char *ngx_http_warehouse_snapshot_reserve(ngx_http_warehouse_snapshot_t *s,
    size_t size);
void ngx_http_warehouse_snapshot_append(ngx_http_warehouse_snapshot_t *s,
    size_t size);
const char *ngx_http_warehouse_snapshot_error(
    ngx_http_warehouse_snapshot_t *s);

/*
 * The list is complete: nothing is appended any more, and it has a digest, an
 * XXH3 of 128 bits of its bytes.  position is the caller's, as version is.
 */
void ngx_http_warehouse_snapshot_finish(ngx_http_warehouse_snapshot_t *s,
    int64_t position);
const XXH128_hash_t *ngx_http_warehouse_snapshot_digest(
    ngx_http_warehouse_snapshot_t *s);
int64_t ngx_http_warehouse_snapshot_position(ngx_http_warehouse_snapshot_t *s);

/* Takes a reference; gives one back, and with the last one frees it all. */
void ngx_http_warehouse_snapshot_retain(ngx_http_warehouse_snapshot_t *s);
void ngx_http_warehouse_snapshot_release(ngx_http_warehouse_snapshot_t *s);

/* True if the caller's reference is the only one. */
ngx_uint_t ngx_http_warehouse_snapshot_alone(ngx_http_warehouse_snapshot_t *s);

int ngx_http_warehouse_snapshot_version(ngx_http_warehouse_snapshot_t *s);

/* The list's length in bytes. */
off_t ngx_http_warehouse_snapshot_size(ngx_http_warehouse_snapshot_t *s);

/*
 * Makes the chain that sends the list, from the request's pool; it is good
 * while the caller holds its reference.  NULL: out of memory.
 */
ngx_chain_t *ngx_http_warehouse_snapshot_chain(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *s);


#endif /* _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_ */
