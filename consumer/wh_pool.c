#include "wh_pool.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>


#define WH_POOL_SIZE  16384    /* bytes; what is not there comes from malloc() */


/* a sanitizer watches over malloc()'s blocks, not over ours */

#ifdef __SANITIZE_ADDRESS__
#define WH_POOL_USED  0
#else
#define WH_POOL_USED  1
#endif


static alignas(max_align_t) char  wh_pool[WH_POOL_SIZE];
static size_t                     wh_pool_used;
static size_t                     wh_pool_blocks;


static void *
wh_pool_alloc(size_t size)
{
    void  *p;

    if (size > WH_POOL_SIZE - wh_pool_used) {
        return malloc(size);
    }

    p = wh_pool + wh_pool_used;

    /* the buffer's size is a multiple of the alignment, too */

    wh_pool_used += (size + alignof(max_align_t) - 1)
                    / alignof(max_align_t) * alignof(max_align_t);
    wh_pool_blocks++;

    return p;
}


static void
wh_pool_free(void *p)
{
    if ((uintptr_t) p - (uintptr_t) wh_pool >= WH_POOL_SIZE) {
        free(p);
        return;
    }

    if (--wh_pool_blocks == 0) {
        wh_pool_used = 0;
    }
}


void
wh_pool_init(void)
{
    cJSON_Hooks  hooks;

    if (!WH_POOL_USED) {
        return;
    }

    hooks.malloc_fn = wh_pool_alloc;
    hooks.free_fn = wh_pool_free;

    cJSON_InitHooks(&hooks);
}
