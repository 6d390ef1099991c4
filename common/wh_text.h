/*
 * A text of bounded length: whatever is put into it, it never exceeds its
 * room, and says if it would have.
 */

#ifndef WH_TEXT_H
#define WH_TEXT_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    char  *start;
    char  *pos;      /* behind what was put */
    char  *end;      /* of the room */
    int    full;     /* something did not fit: nothing is put any more */
} wh_text_t;


/* An empty text with room for size bytes at buf.  There is never a NUL. */
void wh_text_init(wh_text_t *text, char *buf, size_t size);

size_t wh_text_len(const wh_text_t *text);

/* Put something behind what is there, as a whole or not at all. */
void wh_text_put(wh_text_t *text, const char *string);
void wh_text_add(wh_text_t *text, const char *data, size_t len);
void wh_text_int(wh_text_t *text, int64_t n);

/* The same for len bytes of valid UTF-8, as a quoted JSON string. */
void wh_text_string(wh_text_t *text, const char *data, size_t len);


#endif
