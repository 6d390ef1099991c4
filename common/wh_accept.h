/*
 * Content negotiation: which of the media types on offer an Accept field
 * prefers (RFC 9110 §12.5.1).
 */

#ifndef WH_ACCEPT_H
#define WH_ACCEPT_H

#include <stddef.h>


#define WH_ACCEPT_MAX  4        /* types on offer */


typedef struct {
    const char *const  *types;  /* in small letters, the best one first */
    size_t              n;      /* of them, at most WH_ACCEPT_MAX */
    int                 some;   /* a media range was found */
    int                 specific[WH_ACCEPT_MAX];    /* what q is from */
    int                 q[WH_ACCEPT_MAX];           /* in thousandths */
} wh_accept_t;


/* Begins a choice among n types, which stay the caller's. */
void wh_accept_init(wh_accept_t *accept, const char *const *types, size_t n);

/*
 * Takes len bytes of an Accept field, each field of a request in turn.  Of a
 * media range's parameters only q counts.  What is no media range is passed
 * over; "*" is one to some clients, and their weights may begin with the point.
 */
void wh_accept_field(wh_accept_t *accept, const char *text, size_t len);

/*
 * The index of the type that is preferred, among equals the first; -1: none
 * is acceptable.  Without any media range everything is.
 */
int wh_accept_best(const wh_accept_t *accept);


#endif
