/*
 * What does not work at the moment, as the error log tells it: a line when it
 * begins or its reason changes, one now and then with the number of requests
 * that failed, one when it is over.
 */

#ifndef _NGX_HTTP_WAREHOUSE_OUTAGE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_OUTAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* Zeroed but for name, it is none. */

typedef struct {
    ngx_str_t    name;       /* of what fails, for the log */
    u_char       why[512];   /* the last reason, with NUL */
    ngx_int_t    kind;       /* of reason; 0: none in particular */
    ngx_uint_t   failed;     /* requests, since it began */
    ngx_msec_t   said;       /* when the log was told of it last */
    ngx_msec_t   since;      /* when counting lines began */
    ngx_uint_t   lines;      /* since then */
    ngx_msec_t   heard;      /* the same of outage_level()'s lines */
    ngx_uint_t   reasons;
    unsigned     failing:1;
    unsigned     told:1;     /* the log knows of this one */
} ngx_http_warehouse_outage_t;


/*
 * Something failed, for a request or by itself; why says how, for operators,
 * and is copied; NULL: for the reason that was given last.  A reason of another
 * kind is told of at once; outage_more() is for requests of which one reason is
 * enough, outage_topic() names the topic.  Logged as errors, the end as a notice.
 */
void ngx_http_warehouse_outage_request(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why);
void ngx_http_warehouse_outage_more(ngx_http_warehouse_outage_t *outage,
    const char *why);
void ngx_http_warehouse_outage_topic(ngx_http_warehouse_outage_t *outage,
    const char *topic, const char *why);
void ngx_http_warehouse_outage_begin(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why);
void ngx_http_warehouse_outage_end(ngx_http_warehouse_outage_t *outage);

/*
 * At what level something else tells its line of this level: in an outage it is
 * information, unless it may be the reason, and there were few lines just now.
 */
ngx_uint_t ngx_http_warehouse_outage_level(ngx_http_warehouse_outage_t *outage,
    ngx_uint_t level, ngx_uint_t reason);


#endif /* _NGX_HTTP_WAREHOUSE_OUTAGE_H_INCLUDED_ */
