/*
 * Which of librdkafka's properties prove who a client is: their values may lie
 * in files of their own, named by the property with WH_CREDENTIAL_FILE behind.
 */

#ifndef WH_CREDENTIAL_H
#define WH_CREDENTIAL_H

#include <stddef.h>


#define WH_CREDENTIAL_FILE  "_file"


typedef enum {
    WH_CREDENTIAL_NONE = 0,
    WH_CREDENTIAL_PUBLIC,     /* a name, a certificate */
    WH_CREDENTIAL_SECRET      /* what nobody else may see */
} wh_credential_t;


/* What a property of librdkafka's is, by its name of len bytes. */
wh_credential_t wh_credential(const char *name, size_t len);

/*
 * The length of the property's name where the value lies in a file, which is
 * less than len by the suffix; 0: name is none of these.
 */
size_t wh_credential_file(const char *name, size_t len);

/*
 * Makes what such a file has, len bytes and a NUL behind, the value: without a
 * newline at its end.  NULL; or what is wrong with the file, as "is empty".
 */
const char *wh_credential_value(char *text, size_t len);


#endif
