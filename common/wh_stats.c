#include "wh_stats.h"
#include "wh_error.h"

#include <string.h>

#include <cjson/cJSON.h>


int
wh_stats_parse(wh_stats_t *stats, const char *text, size_t len)
{
    cJSON        *json;
    const cJSON  *broker, *idle, *state;

    stats->up = 0;
    stats->idle = -1;

    if (len > WH_STATS_MAX) {
        return WH_EJSON;
    }

    json = cJSON_ParseWithLength(text, len);
    if (json == NULL) {
        return WH_EJSON;
    }

    cJSON_ArrayForEach(broker, cJSON_GetObjectItemCaseSensitive(json,
                                                                "brokers"))
    {
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
