/*
 * The module's configuration, as its handlers see it.
 */

#ifndef _NGX_HTTP_WAREHOUSE_CONF_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_health.h"
#include "ngx_http_warehouse_kafka.h"
#include "ngx_http_warehouse_producers.h"


typedef struct {
    ngx_http_warehouse_kafka_t      kafka;
    ngx_http_warehouse_producers_t  producers;  /* of this worker */
    ngx_array_t                     databases;  /* of pointers to them */
    ngx_uint_t                      max_inflight;    /* see write.h */
    ngx_uint_t                      max_waiting;     /* see follow.h */
    ngx_uint_t                      max_subscribers; /* see feed.h */
    ngx_shm_zone_t                 *zone;       /* see zone.h */
} ngx_http_warehouse_main_conf_t;


typedef struct {
    ngx_http_handler_pt             handler;    /* what it serves, or NULL */
    ngx_int_t                       topic;      /* index among kafka's */
    ngx_uint_t                      prefix;     /* it is for all below one */
    ngx_http_warehouse_db_t        *db;         /* it reads */
    ngx_http_warehouse_db_t        *database;   /* warehouse_database's */
    size_t                          buffer;     /* of memory, for a list */
    off_t                           limit;      /* of lists held, bytes */
    ngx_http_warehouse_health_t    *health;     /* warehouse_health's */
    ngx_msec_t                      wait;       /* for the daemon, at most */
    size_t                          command_size;    /* bytes, at most */
    size_t                          batch_size;      /* the same */
    ngx_uint_t                      batch_commands;  /* at most */
    size_t                          stream_buffer;   /* see stream.h */
    ngx_msec_t                      heartbeat;       /* of streams */
} ngx_http_warehouse_loc_conf_t;


extern ngx_module_t  ngx_http_warehouse_module;


#endif /* _NGX_HTTP_WAREHOUSE_CONF_H_INCLUDED_ */
