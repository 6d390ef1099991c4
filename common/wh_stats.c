#define _GNU_SOURCE     /* memmem() */

#include "wh_stats.h"
#include "wh_error.h"

#include <string.h>

#include <cjson/cJSON.h>


int
wh_stats_parse(wh_stats_t *stats, const char *text, size_t len)
{
    size_t        skip;
    cJSON        *json;
    const char   *end;
    const cJSON  *broker, *idle, *state;

    static const char  name[] = "\"brokers\":";

    stats->up = 0;
    stats->idle = -1;

    end = memmem(text, len, name, sizeof(name) - 1);
    if (end == NULL) {
        return WH_EJSON;
    }

    skip = (size_t) (end - text) + sizeof(name) - 1;

    json = cJSON_ParseWithLengthOpts(text + skip, len - skip, &end, 0);
    if (json == NULL) {
        return WH_EJSON;
    }

    cJSON_ArrayForEach(broker, json) {
        state = cJSON_GetObjectItemCaseSensitive(broker, "state");
        idle = cJSON_GetObjectItemCaseSensitive(broker, "rxidle");

        if (!cJSON_IsString(state) || strcmp(state->valuestring, "UP") != 0
            || !cJSON_IsNumber(idle))
        {
            continue;
        }

        stats->up++;

        if (idle->valuedouble >= 0 && idle->valuedouble < 1e15
            && (stats->idle == -1
                || (int64_t) idle->valuedouble < stats->idle))
        {
            stats->idle = (int64_t) idle->valuedouble;
        }
    }

    cJSON_Delete(json);

    return WH_OK;
}
