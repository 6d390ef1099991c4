#include "ledger/keeper.h"

#include <stdlib.h>
#include <string.h>


/* bytes that a row may have more than one outcome needs */
#define WH_KEEPER_ROW    (16 * 1024)

#define WH_KEEPER_ROWS   16           /* room for so many at first */


/* A row, packed in the keeper's data. */

typedef struct {
    char      topic[256];    /* as in wh_notification_t */
    int32_t   partition;
    int64_t   first;
    int64_t   last;
    int64_t   count;
    int64_t   since;
    int64_t   until;
    size_t    begin;
    size_t    len;
} wh_keeper_row_t;


struct wh_keeper_s {
    int               complete;
    int64_t           position;      /* behind the last notification */
    int64_t           from;          /* the first one's */
    int               passed;        /* some were not added */

    wh_keeper_row_t  *rows;
    size_t            n;
    size_t            max;

    char             *data;
    size_t            len;           /* without the row being packed */
    size_t            size;
    wh_kept_row_t     packing;       /* the last row, if n > 0 */
};


static int wh_keeper_fits(const wh_keeper_t *k, const char *topic,
    int32_t partition, int64_t offset);
static int wh_keeper_row(wh_keeper_t *k, const char *topic,
    int32_t partition, int64_t first, wh_error_t *err);
static int wh_keeper_room(wh_keeper_t *k, wh_error_t *err);
static int wh_keeper_write_gap(const wh_keeper_t *k, wh_store_t *store,
    int64_t next, int64_t most, wh_error_t *err);


int
wh_keeper_create(wh_keeper_t **keeper, wh_error_t *err)
{
    *keeper = calloc(1, sizeof(wh_keeper_t));

    return (*keeper != NULL) ? WH_OK
                             : wh_error_set(err, WH_NOMEM, "out of memory");
}


void
wh_keeper_destroy(wh_keeper_t *k)
{
    if (k == NULL) {
        return;
    }

    free(k->rows);
    free(k->data);
    free(k);
}


void
wh_keeper_begin(wh_keeper_t *k, int complete, int64_t position)
{
    k->complete = complete;
    k->position = position;
    k->from = position;
    k->passed = 0;
    k->n = 0;
    k->len = 0;
}


int
wh_keeper_add(wh_keeper_t *k, const char *topic, int32_t partition,
    const wh_kept_t *kept, wh_error_t *err)
{
    int               rc;
    wh_keeper_row_t  *row;

    if (!wh_keeper_fits(k, topic, partition, kept->offset)
        || wh_kept_put(&k->packing, kept) != WH_OK)
    {
        rc = wh_keeper_row(k, topic, partition, kept->offset, err);
        if (rc != WH_OK) {
            return rc;
        }

        (void) wh_kept_put(&k->packing, kept);
    }

    if (kept->verdict == WH_APPLIED) {
        k->position = kept->notified + 1;
    }

    row = &k->rows[k->n - 1];
    row->last = kept->offset;
    row->until = k->position;
    row->len = wh_kept_len(&k->packing);
    row->count++;

    return WH_OK;
}


static int
wh_keeper_fits(const wh_keeper_t *k, const char *topic, int32_t partition,
    int64_t offset)
{
    const wh_keeper_row_t  *row;

    if (k->n == 0) {
        return 0;
    }

    row = &k->rows[k->n - 1];

    return row->partition == partition && row->count < WH_KEPT_ROW
           && row->last < offset && row->until == k->position
           && strcmp(row->topic, topic) == 0;
}


/* Begins a row behind the others. */

static int
wh_keeper_row(wh_keeper_t *k, const char *topic, int32_t partition,
    int64_t first, wh_error_t *err)
{
    int               rc;
    wh_keeper_row_t  *row;

    rc = wh_keeper_room(k, err);
    if (rc != WH_OK) {
        return rc;
    }

    row = &k->rows[k->n++];

    strcpy(row->topic, topic);
    row->partition = partition;
    row->first = first;
    row->since = k->position;
    row->begin = k->len;
    row->count = 0;

    wh_kept_begin(&k->packing, k->data + k->len, WH_KEEPER_ROW + WH_KEPT_LEN,
                  k->complete, first, k->position);

    return WH_OK;
}


/* Makes room for a row, behind the one that was packed. */

static int
wh_keeper_room(wh_keeper_t *k, wh_error_t *err)
{
    char             *data;
    size_t            max, size;
    wh_keeper_row_t  *rows;

    if (k->n > 0) {
        k->len = k->rows[k->n - 1].begin + k->rows[k->n - 1].len;
    }

    if (k->n == k->max) {
        max = (k->max == 0) ? WH_KEEPER_ROWS : 2 * k->max;

        rows = realloc(k->rows, max * sizeof(wh_keeper_row_t));
        if (rows == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        k->rows = rows;
        k->max = max;
    }

    if (k->size - k->len < WH_KEEPER_ROW + WH_KEPT_LEN) {
        size = 2 * k->size + WH_KEEPER_ROW + WH_KEPT_LEN;

        data = realloc(k->data, size);
        if (data == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        k->data = data;
        k->size = size;
    }

    return WH_OK;
}


void
wh_keeper_pass(wh_keeper_t *k, int64_t notified)
{
    k->passed = 1;
    k->position = notified + 1;
}


int
wh_keeper_write(wh_keeper_t *k, wh_store_t *store, int64_t next, int64_t most,
    wh_error_t *err)
{
    int                     rc;
    size_t                  i;
    wh_outcomes_t           outcomes;
    const wh_keeper_row_t  *row;

    if (k->n == 0) {
        return (next == k->from || k->passed)
               ? WH_OK : wh_keeper_write_gap(k, store, next, most, err);
    }

    rc = WH_OK;

    for (i = 0; i < k->n && rc == WH_OK; i++) {
        row = &k->rows[i];

        outcomes.topic = row->topic;
        outcomes.partition = row->partition;
        outcomes.first = row->first;
        outcomes.last = row->last;
        outcomes.count = row->count;
        outcomes.since = row->since;
        outcomes.until = (i + 1 < k->n) ? row->until : next;
        outcomes.data = k->data + row->begin;
        outcomes.len = row->len;

        rc = wh_store_put_outcomes(store, &outcomes, err);
    }

    return (rc == WH_OK) ? wh_store_limit_outcomes(store, most, err) : rc;
}


/* Records that are shown to nobody: the chain of rows goes on behind them. */

static int
wh_keeper_write_gap(const wh_keeper_t *k, wh_store_t *store, int64_t next,
    int64_t most, wh_error_t *err)
{
    int            rc;
    char           empty[1 + WH_KEPT_LEN];
    wh_kept_row_t  packing;
    wh_outcomes_t  outcomes;

    rc = wh_store_extend_outcomes(store, k->from, next, err);
    if (rc != WH_NONE) {
        return rc;
    }

    wh_kept_begin(&packing, empty, sizeof(empty), 0, 0, k->from);

    /* of no topic; ids are of one row each, so it counts as one */

    outcomes.topic = "";
    outcomes.partition = 0;
    outcomes.first = 0;
    outcomes.last = -1;
    outcomes.count = 1;
    outcomes.since = k->from;
    outcomes.until = next;
    outcomes.data = empty;
    outcomes.len = wh_kept_len(&packing);

    rc = wh_store_put_outcomes(store, &outcomes, err);

    return (rc == WH_OK) ? wh_store_limit_outcomes(store, most, err) : rc;
}
