/*
 * decode: judges commands for differential.py.
 * Reads inputs from stdin, each a decimal length, a newline and so many bytes;
 * prints a line for each: "ok ACTION QTY EXPECTED-VERSION EXPECTED-QTY SKU
 * REFERENCE", the texts in hex, a reference behind a point or as "-", "400" or
 * "422".
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "wh_command.h"


static void
decode_hex(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        printf("%02x", (unsigned char) text[i]);
    }
}


static int
decode(size_t len)
{
    char          *text;
    wh_error_t     err;
    char           texts[WH_COMMAND_TEXTS];
    wh_command_t   c;

    /* a block of exactly len bytes, for the address sanitizer */

    text = malloc(len);

    if ((text == NULL && len != 0) || fread(text, 1, len, stdin) != len) {
        free(text);
        return WH_ERROR;
    }

    switch (wh_command_decode(text, len, &c, texts, &err)) {

    case WH_OK:
        printf("ok %s %" PRId64 " %" PRId64 " %" PRId64 " ",
               c.action == WH_INCREASE ? "increase" : "decrease", c.qty,
               c.expected_version, c.expected_qty);

        decode_hex(c.sku, c.sku_len);
        printf(c.reference ? " ." : " -");
        decode_hex(c.reference, c.reference_len);

        printf("\n");
        break;

    case WH_EJSON:
        printf("400\n");
        break;

    case WH_ECOMMAND:
        printf("422\n");
        break;

    default:
        printf("error\n");
    }

    free(text);

    return WH_OK;
}


int
main(void)
{
    int     n;
    size_t  len;

    while ((n = scanf("%zu", &len)) == 1) {
        if (getchar() != '\n' || decode(len) != WH_OK) {
            n = 0;
            break;
        }
    }

    if (n != EOF) {
        fprintf(stderr, "decode: no length, or fewer bytes than it says\n");
        return 1;
    }

    return 0;
}
