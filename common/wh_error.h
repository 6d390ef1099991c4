/*
 * Results and error texts, shared by the module and the daemon.
 * A function that can fail returns WH_OK or one of the negative values here
 * and, where the caller has to tell somebody, fills one wh_error_t.
 */

#ifndef WH_ERROR_H
#define WH_ERROR_H

#include <stddef.h>


typedef enum {
    WH_OK = 0,
    WH_ERROR = -1,     /* will fail again: an operator has to act */
    WH_AGAIN = -2,     /* may succeed later: broker away, database busy */
    WH_CONFLICT = -3,  /* it is not as it was read or expected */
    WH_EJSON = -4,     /* not a JSON text (HTTP 400) */
    WH_ECOMMAND = -5,  /* JSON, but not what was asked for (HTTP 422) */
    WH_NOMEM = -6,     /* out of memory */
    WH_NONE = -7,      /* there is nothing there yet */
    WH_RECOVERING = -8, /* the stock is being rebuilt or recovered */
    WH_FENCED = -9     /* another process may have taken this one's place */
} wh_rc_t;


typedef struct {
    const char  *reason;     /* a word for logs, static; NULL: none */
    const char  *pointer;    /* JSON pointer to the bad field, static or NULL */
    char         text[640];  /* a sentence for people, ASCII, NUL-terminated */
} wh_error_t;


/*
 * Fills err (which may be NULL) with a formatted text, cut to what fits,
 * clears reason and pointer, and returns rc, so that callers can write
 * "return wh_error_set(err, WH_ERROR, ...)".
 */
int wh_error_set(wh_error_t *err, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));


#endif
