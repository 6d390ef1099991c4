/*
 * What processing works with: opened and closed by the session, used by the
 * pipeline and its slices.
 */

#ifndef WH_HANDLES_H
#define WH_HANDLES_H

#include <stdint.h>

#include "base/worker.h"
#include "conf/conf.h"
#include "store/store.h"
#include "ledger/keeper.h"
#include "kafka/publisher.h"
#include "session/assignment.h"
#include "session/pace.h"
#include "session/reader.h"


typedef struct {
    const wh_conf_t  *conf;
    wh_store_t       *store;
    wh_worker_t      *worker;        /* the store's thread */
    wh_keeper_t      *keeper;        /* the slice's outcomes */
    wh_publisher_t   *publisher;
    wh_assignment_t   assignment;
    wh_reader_t       reader;
    wh_pace_t        *pace;          /* outlives the session */

    int64_t           committed;     /* Kafka's last commit, wh_clock() */
    int64_t           heard;         /* a broker's last answer to the consumer */
    int64_t           silence;       /* ms after which there should be one */
    int64_t           watched;       /* the last wh_watch(), the same */
    int               worked;        /* a slice went through */
} wh_handles_t;


#endif
