/*
 * The fuzzers' judge of commands: written from the contract (docs/http.md,
 * RFC 7493), without a line of common/.
 */

#ifndef JUDGE_H
#define JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "judge_json.h"


typedef enum {
    JUDGE_OK,
    JUDGE_NOT_JSON,
    JUDGE_NOT_COMMAND
} judge_verdict_t;


typedef struct {
    const char     *action;         /* "increase" or "decrease" */
    const char     *sku;
    size_t          sku_len;
    int64_t         qty;
    int64_t         expected_version;    /* -1: not there */
    int64_t         expected_qty;
    const char     *reference;      /* NULL: not there */
    size_t          reference_len;
    const char     *pointer;        /* to the first bad field, or NULL */
} judge_command_t;


/* The first member of an object, or NULL, of NULL too. */
judge_value_t *judge_member(const judge_value_t *object, const char *name);

/* Is it a string of these characters?  NULL is none. */
int judge_string_is(const judge_value_t *value, const char *text, size_t len);

/* Is it a number that as a double is an integer in min..max? */
int judge_integer(const judge_value_t *value, int64_t min, int64_t max,
    int64_t *n);

/* Is it the number n, written in the shortest way? */
int judge_number_is(const judge_value_t *value, int64_t n);

/* Judges the value of a text, NULL for one that is not JSON. */
judge_verdict_t judge_command(const judge_value_t *root, judge_command_t *c);

/* 1 to 255 bytes of UTF-8, none of them C0, DEL or C1. */
int judge_sku(const char *sku, size_t len);


#endif
