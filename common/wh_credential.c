#include "wh_credential.h"

#include <string.h>


typedef struct {
    const char       *name;
    wh_credential_t   kind;
} wh_credential_name_t;


static const wh_credential_name_t  wh_credentials[] = {
    { "sasl.username", WH_CREDENTIAL_PUBLIC },
    { "sasl.password", WH_CREDENTIAL_SECRET },
    { "sasl.oauthbearer.config", WH_CREDENTIAL_SECRET },
    { "sasl.oauthbearer.client.id", WH_CREDENTIAL_PUBLIC },
    { "sasl.oauthbearer.client.secret", WH_CREDENTIAL_SECRET },
    { "sasl.oauthbearer.client.credentials.client.id",
      WH_CREDENTIAL_PUBLIC },
    { "sasl.oauthbearer.client.credentials.client.secret",
      WH_CREDENTIAL_SECRET },
    { "sasl.oauthbearer.assertion.private.key.passphrase",
      WH_CREDENTIAL_SECRET },
    { "sasl.oauthbearer.assertion.private.key.pem", WH_CREDENTIAL_SECRET },
    { "ssl.ca.pem", WH_CREDENTIAL_PUBLIC },
    { "ssl.certificate.pem", WH_CREDENTIAL_PUBLIC },
    { "ssl.key.pem", WH_CREDENTIAL_SECRET },
    { "ssl.key.password", WH_CREDENTIAL_SECRET },
    { "ssl.keystore.password", WH_CREDENTIAL_SECRET },
};


wh_credential_t
wh_credential(const char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < sizeof(wh_credentials) / sizeof(wh_credentials[0]); i++) {
        if (strlen(wh_credentials[i].name) == len
            && memcmp(wh_credentials[i].name, name, len) == 0)
        {
            return wh_credentials[i].kind;
        }
    }

    return WH_CREDENTIAL_NONE;
}


size_t
wh_credential_file(const char *name, size_t len)
{
    size_t  suffix;

    suffix = sizeof(WH_CREDENTIAL_FILE) - 1;

    if (len <= suffix
        || memcmp(name + len - suffix, WH_CREDENTIAL_FILE, suffix) != 0
        || wh_credential(name, len - suffix) == WH_CREDENTIAL_NONE)
    {
        return 0;
    }

    return len - suffix;
}


const char *
wh_credential_value(char *text, size_t len)
{
    /* what an editor or "echo" ends a line with */

    if (len > 0 && text[len - 1] == '\n') {
        text[--len] = '\0';

        if (len > 0 && text[len - 1] == '\r') {
            text[--len] = '\0';
        }
    }

    return (len == 0) ? "is empty"
           : (strlen(text) != len) ? "has a NUL byte" : NULL;
}
