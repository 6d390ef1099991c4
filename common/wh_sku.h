/*
 * A sku: which bytes it may have, and how it stands in an address.
 */

#ifndef WH_SKU_H
#define WH_SKU_H

#include <stddef.h>


#define WH_SKU_MAX   255                  /* bytes of UTF-8 */


/*
 * The length in bytes of the UTF-8 sequence at p, at most len bytes (RFC 3629
 * §4); 0: there is no valid one.
 */
size_t wh_utf8(const unsigned char *p, size_t len);

/* True if len bytes are valid UTF-8 without control characters (C0, DEL, C1). */
int wh_sku_text(const char *text, size_t len);

/* True if they are a sku: 1 to WH_SKU_MAX of such bytes. */
int wh_sku_valid(const char *sku, size_t len);

/*
 * Decodes len bytes, percent-encoded (RFC 3986 §2.1), to dst, which has room
 * for as many; "+" is a plus sign.  *n is how many there are.  WH_OK;
 * WH_ECOMMAND: a "%" without two hexadecimal digits behind it.
 */
int wh_percent_decode(char *dst, size_t *n, const char *text, size_t len);

/* The value of a hexadecimal digit; -1: it is none. */
int wh_hex_digit(char ch);


#endif
