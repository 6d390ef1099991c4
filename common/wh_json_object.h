/*
 * The members of a JSON object, as they stand in its text; cJSON decodes what
 * has escapes.
 */

#ifndef WH_JSON_OBJECT_H
#define WH_JSON_OBJECT_H

#include <stddef.h>

#include "wh_error.h"


#define WH_JSON_MEMBERS  16     /* of an object, without allocation */


/* A member of an object; what has no escapes points into the text. */

typedef struct {
    const char   *name;         /* decoded, no quotes and no NUL */
    size_t        name_len;     /* bytes */
    int           name_escaped; /* the name is a copy, from malloc() */
    int           escaped;      /* the value, if a string, has escapes */
    const char   *value;        /* its JSON text, no NUL */
    size_t        len;          /* bytes */
} wh_member_t;


typedef struct {
    wh_member_t  *members;      /* in the order of the text */
    size_t        n;
    size_t        max;
    wh_member_t   few[WH_JSON_MEMBERS];
} wh_object_t;


/* An object without members; wh_json_free() releases what it holds. */
void wh_json_init(wh_object_t *object);
void wh_json_free(wh_object_t *object);

/*
 * Room for one more member, to be filled by the caller;
 * NULL: out of memory.  A name with escapes is then to be decoded: WH_OK,
 * WH_NOMEM (and the member is gone).
 */
wh_member_t *wh_json_add(wh_object_t *object);
int wh_json_decode_name(wh_object_t *object);

/*
 * Looks for two members of object with the same decoded name.
 * WH_OK: all names differ.  WH_EJSON, WH_NOMEM.
 */
int wh_json_unique(const wh_object_t *object, wh_error_t *err);

/* The first member of a name, or NULL. */
const wh_member_t *wh_json_member(const wh_object_t *object,
    const char *name);

/*
 * Decodes len bytes, the JSON text of a string that was checked, with its
 * quotes.  Returns a copy from malloc() with a NUL; NULL: out of memory.
 */
char *wh_json_decode(const char *text, size_t len);


#endif
