/*
 * The tokens of a JSON text, checked byte by byte to the letter of RFC 8259,
 * in UTF-8 and without U+0000.
 */

#ifndef WH_JSON_SCAN_H
#define WH_JSON_SCAN_H

#include <stddef.h>

#include "wh_error.h"


typedef struct {
    const unsigned char  *start;
    const unsigned char  *p;            /* the next byte */
    const unsigned char  *end;
    int                   escaped;      /* the last string has escapes */
    wh_error_t           *err;          /* filled, or NULL */
} wh_scan_t;


/*
 * Say what is wrong at the next byte; reason is a static word.  The second is
 * for something else than what was expected.  Return WH_EJSON.
 */
int wh_scan_fail(wh_scan_t *scan, const char *reason, const char *what);
int wh_scan_grammar(wh_scan_t *scan, const char *expected);

/*
 * Check a string, a number, the word that is to come; p is at its first byte,
 * afterwards behind its last.  WH_OK, WH_EJSON.
 */
static inline int wh_scan_string(wh_scan_t *scan);
int wh_scan_number(wh_scan_t *scan);
int wh_scan_word(wh_scan_t *scan, const char *word);


/* The rest of a string, from where a byte does not stand for itself. */
int wh_scan_string_rest(wh_scan_t *scan);

/* Bytes of ASCII that stand in a string as they are. */
extern const unsigned char  wh_scan_plain[256];


/* Short, and called some thirty times for a notification: inline. */

/* Passes over white space. */

static inline void
wh_scan_space(wh_scan_t *s)
{
    while (s->p < s->end
           && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n'
               || *s->p == '\r'))
    {
        s->p++;
    }
}


static inline void
wh_scan_run(wh_scan_t *s)
{
    while (s->p < s->end && wh_scan_plain[*s->p]) {
        s->p++;
    }
}


static inline int
wh_scan_string(wh_scan_t *s)
{
    s->p++;
    s->escaped = 0;

    wh_scan_run(s);

    if (s->p < s->end && *s->p == '"') {
        s->p++;
        return WH_OK;
    }

    return wh_scan_string_rest(s);
}


#endif
