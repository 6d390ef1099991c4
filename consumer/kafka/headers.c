#include "kafka/headers.h"

#include <string.h>


int
wh_headers_find(const rd_kafka_message_t *message, wh_header_t *headers,
    size_t count)
{
    size_t               i, k, len;
    const char          *name;
    const void          *value;
    rd_kafka_headers_t  *all;

    for (k = 0; k < count; k++) {
        headers[k].n = 0;
        headers[k].value = NULL;
        headers[k].len = 0;
    }

    if (rd_kafka_message_headers(message, &all) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return WH_OK;
    }

    /* by index: rd_kafka_header_get() would begin anew for each one */

    for (i = 0;
         rd_kafka_header_get_all(all, i, &name, &value, &len)
         == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
    {
        if (i == WH_HEADERS_MAX) {
            return WH_ERROR;
        }

        for (k = 0; k < count; k++) {
            if (strcmp(name, headers[k].name) == 0) {
                headers[k].n++;
                headers[k].value = value;
                headers[k].len = len;
            }
        }
    }

    return WH_OK;
}
