/*
 * What SQLite alone takes for the daemon's batches, with the daemon's code:
 *     store DATABASE ITEMS BATCH BATCHES
 * Makes a database of so many items, then changes BATCH of them by chance in
 * each of BATCHES transactions, and prints {"read":…,"write":…,"commit":…}, us
 * an item.
 */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledger/items.h"


#define SKU     16          /* bytes of one */
#define STRIDE  7919        /* a prime: neighbours come far from each other */


static struct {
    wh_store_t  *store;
    wh_items_t  *items;
    char        *skus;      /* of the batch */
    size_t       n;
    int64_t      us[3];     /* read, write, commit */
} batch;


static void
check(int rc, const wh_error_t *err)
{
    if (rc != WH_OK) {
        bench_die("%s", err->text);
    }
}


static void
add(int64_t item)
{
    int          len;
    char        *sku;
    wh_error_t   err;

    sku = batch.skus + batch.n++ * SKU;
    len = snprintf(sku, SKU, "SKU%d", (int) item);

    check(wh_items_add(batch.items, sku, (size_t) len, &err), &err);
}


static void
change(void)
{
    size_t       i;
    int64_t      start, read, written;
    wh_item_t   *item;
    wh_error_t   err;

    start = bench_clock();

    check(wh_store_begin_read(batch.store, &err), &err);
    check(wh_items_read(batch.items, batch.store, &err), &err);
    check(wh_store_commit(batch.store, &err), &err);

    read = bench_clock();

    for (i = 0; i < batch.n; i++) {
        item = &wh_items_at(batch.items, i)->now;
        item->qty++;
        item->version++;
    }

    check(wh_store_begin(batch.store, &err), &err);
    check(wh_items_write(batch.items, batch.store, &err), &err);

    written = bench_clock();

    check(wh_store_commit(batch.store, &err), &err);
    wh_store_checkpoint(batch.store);

    batch.us[0] += read - start;
    batch.us[1] += written - read;
    batch.us[2] += bench_clock() - written;

    wh_items_clear(batch.items);
    batch.n = 0;
}


int
main(int argc, char **argv)
{
    size_t           i, size, count;
    int64_t          items, k;
    uint64_t         r;
    wh_error_t       err;
    wh_store_conf_t  conf;

    if (argc != 5) {
        bench_die("usage: store DATABASE ITEMS BATCH BATCHES");
    }

    items = bench_number(argv[2], 1);
    size = (size_t) bench_number(argv[3], 1);
    count = (size_t) bench_number(argv[4], 1);

    /* the defaults of database_cache and wal_limit */

    conf.path = argv[1];
    conf.mode = 0640;
    conf.cache = 32 << 20;
    conf.wal_limit = 64 << 20;

    batch.skus = malloc(size * SKU);
    if (batch.skus == NULL) {
        bench_die("out of memory");
    }

    check(wh_items_create(&batch.items, size, &err), &err);
    check(wh_store_create(&batch.store, &conf, &err), &err);

    for (k = 0; k < items; k++) {
        add(k * STRIDE % items);

        if (batch.n == size || k + 1 == items) {
            change();
        }
    }

    batch.us[0] = batch.us[1] = batch.us[2] = 0;
    r = 1;

    for (i = 0; i < count * size; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        add((int64_t) ((r >> 24) % (uint64_t) items));

        if (batch.n == size) {
            change();
        }
    }

    size *= count;
    printf("{\"read\":%.3f,\"write\":%.3f,\"commit\":%.3f}\n",
           (double) batch.us[0] / (double) size,
           (double) batch.us[1] / (double) size,
           (double) batch.us[2] / (double) size);

    wh_store_close(batch.store);
    wh_items_destroy(batch.items);
    free(batch.skus);

    return 0;
}
