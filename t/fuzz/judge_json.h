/*
 * The fuzzers' reader of JSON texts, to the letter of RFC 8259 and
 * docs/http.md.
 * Like all of the judge it goes another way than common/ and has not a line of
 * it, so that the two can be compared.
 */

#ifndef JUDGE_JSON_H
#define JUDGE_JSON_H

#include <stddef.h>


typedef enum {
    JUDGE_OBJECT,
    JUDGE_ARRAY,
    JUDGE_STRING,
    JUDGE_NUMBER,
    JUDGE_WORD                      /* true, false, null */
} judge_type_t;


typedef struct judge_value_s  judge_value_t;

struct judge_value_s {
    judge_type_t    type;
    const char     *text;           /* a string decoded, a number as it is */
    size_t          len;
    const char     *name;           /* decoded, of a member */
    size_t          name_len;
    judge_value_t  *child;          /* the first member or element */
    judge_value_t  *next;           /* behind this one */
};


typedef struct {
    judge_value_t  *values;
    char           *texts;
} judge_t;


/* The value of a JSON text; NULL: it is none.  judge_free() is always due. */
judge_value_t *judge_json(judge_t *j, const char *text, size_t len);
void judge_free(judge_t *j);

/* The character of up to left bytes at s; -1: not UTF-8.  RFC 3629 §3. */
long judge_utf8(const unsigned char *s, size_t left, size_t *used);


#endif
