/*
 * What the unit tests share: cmocka's headers in the order it wants them,
 * inputs in blocks of their exact size, and rows of tables that report
 * themselves without ending the test.
 */

#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wh_command.h"
#include "wh_error.h"


/* a string literal and its length, which may hold NULs */
#define T(s)  s, sizeof(s) - 1

#define unit_items(array)  (sizeof(array) / sizeof((array)[0]))


/*
 * Returns a copy of len bytes in a block of that size, where the address
 * sanitizer sees every access past its end.  Freed with free().
 */
char *unit_copy(const char *text, size_t len);

/*
 * Returns prefix, count times ch, suffix and a NUL; *len is the length
 * without the NUL.  Freed with free().
 */
char *unit_repeat(const char *prefix, int ch, size_t count,
    const char *suffix, size_t *len);

/*
 * Compares got with expected; where they differ, prints both and the input,
 * escaped, as a TAP diagnostic.  Returns 0 or, where they differ, 1.
 */
size_t unit_differ(const char *text, size_t len, int64_t got,
    int64_t expected);

/*
 * wh_command_decode() and wh_notification_decode() of an exact copy of text.
 * After a failure checks what the headers promise of err: a reason, a text in
 * ASCII, a pointer that was set or cleared.
 */
int unit_decode(const char *text, size_t len, wh_command_t *command,
    wh_error_t *err);
int unit_decode_notification(const char *text, size_t len,
    wh_notification_t *notification, wh_error_t *err);

/* Checks the JSON pointer in err; NULL: there must be none. */
void unit_check_pointer(const wh_error_t *err, const char *pointer);


#endif
