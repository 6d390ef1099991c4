/*
 * What the fuzzers share.  A fuzzer is one function, which libFuzzer calls
 * with bytes of its choice, in a block of exactly their size.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wh_error.h"


/* Ends the process, and libFuzzer keeps the input, unless ok. */
#define fuzz_check(ok)                                                        \
    ((ok) ? (void) 0 : fuzz_fail(__FILE__, __LINE__, #ok))

#define fuzz_items(array)  (sizeof(array) / sizeof((array)[0]))


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

void fuzz_fail(const char *file, int line, const char *what)
    __attribute__((noreturn));

/* A block of len bytes, never NULL; freed with free(). */
char *fuzz_alloc(size_t len);

/*
 * wh_error_t before a call, and what the headers promise of it after one that
 * failed: reason and text in ASCII, pointer as given (NULL: none).
 */
void fuzz_error_init(wh_error_t *err);
void fuzz_error_check(const wh_error_t *err, const char *pointer);


#endif
