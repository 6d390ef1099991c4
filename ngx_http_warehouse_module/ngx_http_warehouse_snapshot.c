#include "ngx_http_warehouse_snapshot.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_BLOCK  65536    /* bytes */


typedef struct ngx_http_warehouse_block_s  ngx_http_warehouse_block_t;

struct ngx_http_warehouse_block_s {
    ngx_http_warehouse_block_t     *next;
    size_t                          size;
    size_t                          len;
    u_char                          data[1];
};


/*
 * The list: blocks in memory, or, past the buffer, its beginning in a file;
 * each new block moves the oldest one there, so that nothing takes long:
 *
 *                            blocks -> [64k] -> [64k] -> [..]
 *     file [............]    blocks -> [64k] -> [64k] -> [..]
 */

struct ngx_http_warehouse_snapshot_s {
    ngx_uint_t                      refs;
    int                             version;
    int64_t                         position;
    XXH3_state_t                   *hash;       /* of all but the last block */
    XXH128_hash_t                   digest;
    off_t                           size;
    size_t                          memory;     /* bytes in blocks */
    size_t                          buffer;     /* what that may be */
    ngx_path_t                     *temp_path;
    off_t                          *live;
    ngx_log_t                      *log;
    const char                     *error;
    ngx_http_warehouse_block_t     *blocks;
    ngx_http_warehouse_block_t     *last;
    ngx_pool_t                     *pool;       /* of the file, or NULL */
    ngx_file_t                      file;
    off_t                           written;    /* bytes in the file */
};


static void ngx_http_warehouse_snapshot_hash(ngx_http_warehouse_snapshot_t *s);
static ngx_int_t ngx_http_warehouse_snapshot_spill(
    ngx_http_warehouse_snapshot_t *s);
static ngx_int_t ngx_http_warehouse_snapshot_file(
    ngx_http_warehouse_snapshot_t *s);
static ngx_buf_t *ngx_http_warehouse_snapshot_link(ngx_http_request_t *r,
    ngx_chain_t ***ll);


ngx_http_warehouse_snapshot_t *
ngx_http_warehouse_snapshot_create(int version, size_t buffer,
    ngx_path_t *temp_path, off_t *live, ngx_log_t *log)
{
    ngx_http_warehouse_snapshot_t  *s;

    s = ngx_calloc(sizeof(ngx_http_warehouse_snapshot_t), log);

    if (s == NULL) {
        return NULL;
    }

    s->refs = 1;
    s->version = version;
    s->buffer = buffer;
    s->temp_path = temp_path;
    s->live = live;
    s->log = log;

    s->hash = XXH3_createState();

    if (s->hash == NULL) {
        ngx_free(s);
        return NULL;
    }

    (void) XXH3_128bits_reset(s->hash);

    return s;
}


u_char *
ngx_http_warehouse_snapshot_reserve(ngx_http_warehouse_snapshot_t *s,
    size_t size)
{
    ngx_http_warehouse_block_t  *block;

    if (s->last != NULL && s->last->size - s->last->len >= size) {
        return s->last->data + s->last->len;
    }

    size = ngx_max(size, NGX_HTTP_WAREHOUSE_BLOCK);

    ngx_http_warehouse_snapshot_hash(s);

    if (s->blocks != NULL && s->memory + size > s->buffer
        && ngx_http_warehouse_snapshot_spill(s) != NGX_OK)
    {
        return NULL;
    }

    block = ngx_alloc(offsetof(ngx_http_warehouse_block_t, data) + size,
                      s->log);
    if (block == NULL) {
        s->error = "out of memory";
        return NULL;
    }

    block->next = NULL;
    block->size = size;
    block->len = 0;

    if (s->blocks != NULL) {
        s->last->next = block;

    } else {
        s->blocks = block;
    }

    s->last = block;
    s->memory += size;

    return block->data;
}


void
ngx_http_warehouse_snapshot_append(ngx_http_warehouse_snapshot_t *s,
    size_t size)
{
    s->last->len += size;
    s->size += size;
    *s->live += size;
    ngx_http_warehouse_slot->bytes += size;
}


void
ngx_http_warehouse_snapshot_finish(ngx_http_warehouse_snapshot_t *s,
    int64_t position)
{
    ngx_http_warehouse_snapshot_hash(s);

    s->digest = XXH3_128bits_digest(s->hash);
    s->position = position;

    (void) XXH3_freeState(s->hash);
    s->hash = NULL;
}


/* The last block is full, or the list complete. */

static void
ngx_http_warehouse_snapshot_hash(ngx_http_warehouse_snapshot_t *s)
{
    if (s->last != NULL) {
        (void) XXH3_128bits_update(s->hash, s->last->data, s->last->len);
    }
}


/* Moves the oldest block to the file. */

static ngx_int_t
ngx_http_warehouse_snapshot_spill(ngx_http_warehouse_snapshot_t *s)
{
    ngx_http_warehouse_block_t  *block;

    if (s->pool == NULL && ngx_http_warehouse_snapshot_file(s) != NGX_OK) {
        return NGX_ERROR;
    }

    block = s->blocks;

    if (ngx_write_file(&s->file, block->data, block->len, s->written)
        != (ssize_t) block->len)
    {
        s->error = "the list cannot be written to a temporary file";
        return NGX_ERROR;
    }

    s->written += block->len;
    s->memory -= block->size;
    s->blocks = block->next;

    if (s->blocks == NULL) {
        s->last = NULL;
    }

    ngx_free(block);

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_snapshot_file(ngx_http_warehouse_snapshot_t *s)
{
    s->pool = ngx_create_pool(512, s->log);
    if (s->pool == NULL) {
        s->error = "out of memory";
        return NGX_ERROR;
    }

    s->file.log = s->log;

    /* unlinked at once: nothing is left behind by a crash */

    if (ngx_create_temp_file(&s->file, s->temp_path, s->pool, 0, 0, 0)
        != NGX_OK)
    {
        s->error = "no temporary file can be created for the list";
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_warehouse_snapshot_release(ngx_http_warehouse_snapshot_t *s)
{
    ngx_http_warehouse_block_t  *block;

    if (--s->refs > 0) {
        return;
    }

    *s->live -= s->size;
    ngx_http_warehouse_slot->bytes -= s->size;

    while (s->blocks != NULL) {
        block = s->blocks;
        s->blocks = block->next;
        ngx_free(block);
    }

    if (s->pool != NULL) {
        ngx_destroy_pool(s->pool);
    }

    (void) XXH3_freeState(s->hash);
    ngx_free(s);
}


ngx_uint_t
ngx_http_warehouse_snapshot_alone(ngx_http_warehouse_snapshot_t *s)
{
    return s->refs == 1;
}


int
ngx_http_warehouse_snapshot_version(ngx_http_warehouse_snapshot_t *s)
{
    return s->version;
}


int64_t
ngx_http_warehouse_snapshot_position(ngx_http_warehouse_snapshot_t *s)
{
    return s->position;
}


const XXH128_hash_t *
ngx_http_warehouse_snapshot_digest(ngx_http_warehouse_snapshot_t *s)
{
    return &s->digest;
}


const char *
ngx_http_warehouse_snapshot_error(ngx_http_warehouse_snapshot_t *s)
{
    return s->error;
}


void
ngx_http_warehouse_snapshot_retain(ngx_http_warehouse_snapshot_t *s)
{
    s->refs++;
}


off_t
ngx_http_warehouse_snapshot_size(ngx_http_warehouse_snapshot_t *s)
{
    return s->size;
}


ngx_chain_t *
ngx_http_warehouse_snapshot_chain(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *s)
{
    ngx_buf_t                   *b;
    ngx_chain_t                 *out, **ll;
    ngx_http_warehouse_block_t  *block;

    b = NULL;
    ll = &out;

    if (s->written) {
        b = ngx_http_warehouse_snapshot_link(r, &ll);
        if (b == NULL) {
            return NULL;
        }

        b->file = ngx_palloc(r->pool, sizeof(ngx_file_t));
        if (b->file == NULL) {
            return NULL;
        }

        /* a copy: requests read the one descriptor at their own pace */

        *b->file = s->file;
        b->file->log = r->connection->log;
        b->in_file = 1;
        b->file_pos = 0;
        b->file_last = s->written;
    }

    for (block = s->blocks; block != NULL; block = block->next) {
        b = ngx_http_warehouse_snapshot_link(r, &ll);
        if (b == NULL) {
            return NULL;
        }

        b->pos = block->data;
        b->last = block->data + block->len;

        /* an empty list is a buffer that says that it is the last */
        b->memory = (block->len > 0);
    }

    b->last_buf = 1;
    b->last_in_chain = 1;
    *ll = NULL;

    return out;
}


/* Adds a buffer to the chain that ends at *ll. */

static ngx_buf_t *
ngx_http_warehouse_snapshot_link(ngx_http_request_t *r, ngx_chain_t ***ll)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    **ll = cl;
    *ll = &cl->next;

    return b;
}
