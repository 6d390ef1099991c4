/*
 * decode: judges commands for differential.py.
 * Reads inputs from stdin, each a decimal length, a newline and so many bytes;
 * prints a line for each: "ok ACTION QTY SKU-IN-HEX", "400" or "422".
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "wh_command.h"


static int
decode(size_t len)
{
    char          *text;
    size_t         i;
    wh_error_t     err;
    char           sku[WH_SKU_MAX + 1];
    wh_command_t   c;

    /* a block of exactly len bytes, for the address sanitizer */

    text = malloc(len);

    if ((text == NULL && len != 0) || fread(text, 1, len, stdin) != len) {
        free(text);
        return WH_ERROR;
    }

    switch (wh_command_decode(text, len, &c, sku, &err)) {

    case WH_OK:
        printf("ok %s %" PRId64 " ",
               c.action == WH_INCREASE ? "increase" : "decrease", c.qty);

        for (i = 0; i < c.sku_len; i++) {
            printf("%02x", (unsigned char) c.sku[i]);
        }

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
