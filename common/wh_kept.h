/*
 * Outcomes of commands as the database keeps them: some hundred of one
 * partition, which lie together, packed in the blob of a row of the table
 * outcomes.  Written by the daemon, read by the module.
 *
 * A byte of flags; then for each outcome a byte with its verdict and what
 * follows, and its values: numbers as in LEB128 (7 bits a byte, the lowest first,
 * the highest bit: more follow), texts as their length, their bytes and a NUL.
 */

#ifndef WH_KEPT_H
#define WH_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "wh_command.h"
#include "wh_error.h"
#include "wh_position.h"
#include "wh_text.h"


/* outcomes in a row: to find one of them they are read from the first on */
#define WH_KEPT_ROW    128

#define WH_KEPT_REASON_MAX  63    /* bytes */

/* bytes of one outcome, at most: a flag, two texts, a reason, nine numbers */
#define WH_KEPT_LEN    (1 + WH_COMMAND_TEXTS + WH_KEPT_REASON_MAX + 1 + 12 * 10)

/* the verdict of a duplicate is always for the same reason */
#define WH_KEPT_REPEATED  "idempotency_key_repeated"


typedef enum {
    WH_APPLIED = 0,
    WH_REFUSED,
    WH_DUPLICATE,                /* its idempotency key was used before */
    WH_MALFORMED
} wh_verdict_t;


typedef struct {
    wh_verdict_t   verdict;
    int64_t        offset;       /* in commands */
    wh_command_t   command;      /* unless malformed */
    int64_t        stock;        /* after the command, the same */
    int64_t        version;
    int64_t        notified;     /* applied: offset of its notification */
    const char    *reason;       /* unless applied */
    wh_position_t  original;     /* duplicate: the command it repeats */
} wh_kept_t;


/* Where packing or unpacking is; nothing of it is for others but complete. */

typedef struct {
    wh_text_t             text;        /* packing */
    const unsigned char  *pos;         /* unpacking */
    const unsigned char  *end;
    int                   complete;    /* what is not in it is no command */
    int64_t               offset;      /* behind the last outcome's */
    int64_t               notified;    /* behind the last notification's */
} wh_kept_row_t;


/*
 * Begins to pack a row into size bytes at buf, at least 1 + WH_KEPT_LEN; first
 * is the offset of its first outcome, since that behind which its notifications
 * lie.  Then outcomes, in the order of their offsets.  WH_OK; WH_NONE: there may
 * be no room for it, the row is full.
 */
void wh_kept_begin(wh_kept_row_t *row, char *buf, size_t size, int complete,
    int64_t first, int64_t since);
int wh_kept_put(wh_kept_row_t *row, const wh_kept_t *kept);
size_t wh_kept_len(const wh_kept_row_t *row);

/*
 * Begins to unpack len bytes, with the row's first and since, and gives the
 * outcomes one by one, whose texts are the row's.  Whatever the bytes are, what
 * it gives is valid.  WH_OK; WH_NONE: there are no more; WH_ERROR: it is no such
 * row, or a newer one's.
 */
int wh_kept_open(wh_kept_row_t *row, const void *data, size_t len,
    int64_t first, int64_t since);
int wh_kept_next(wh_kept_row_t *row, wh_kept_t *kept);


#endif
