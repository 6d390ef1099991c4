/*
 * The bytes are a record of the topic notifications, as recovery reads it:
 * a value, and behind each byte FF (which is in no UTF-8) a header, whose
 * first byte says which: k and K are the idempotency key, t and T the time
 * (K and T without a value), any other is a header of somebody else's.
 *
 * wh_notification_decode() has to come to the judge's verdict and values, and
 * wh_follow_message() has to keep what the headers say.
 */

#include "fuzz.h"
#include "judge.h"

#include "follow/chunk.h"
#include "wh_command.h"
#include "base/log.h"

/* what follow/follow.c does with a notification ends here */

static int fuzz_chunk_add(const wh_notification_t *n, const wh_key_t *key,
    int64_t time);

#define wh_chunk_add(chunk, offset, n, key, time, keep, err)                  \
    fuzz_chunk_add(n, key, time)
#define wh_log(...)                             (void) 0

#include "follow/follow.c"


#define FUZZ_MAX      INT64_C(9007199254740991)
#define FUZZ_RECORD   INT64_C(1700000000000)     /* the record's own time */
#define FUZZ_OFFSET   77
#define FUZZ_HEADERS  16


typedef struct {
    int64_t          stock;
    int64_t          version;
    const char      *topic;
    int64_t          partition;
    int64_t          offset;
    judge_command_t  command;
} fuzz_expected_t;


/* What the headers of a record say, by the judge. */

typedef struct {
    int              nkeys;
    const uint8_t   *key;           /* the last one; NULL: it is none */
    size_t           key_len;
    int              ntimes;
    int64_t          time;          /* the last one; -1: it is none */
} fuzz_record_t;


/* What wh_follow_message() gave to its chunk. */

static struct {
    int        added;
    int        keyed;
    wh_key_t   key;
    int64_t    time;
} fuzz_kept;


static rd_kafka_headers_t  *fuzz_headers;


static int
fuzz_chunk_add(const wh_notification_t *n, const wh_key_t *key, int64_t time)
{
    (void) n;

    fuzz_kept.added++;
    fuzz_kept.keyed = (key != NULL);
    fuzz_kept.time = time;

    if (key != NULL) {
        fuzz_kept.key = *key;
    }

    return WH_OK;
}


/* In place of librdkafka's, which want a message that came from a broker. */

rd_kafka_resp_err_t
rd_kafka_message_headers(const rd_kafka_message_t *m,
    rd_kafka_headers_t **headers)
{
    (void) m;
    *headers = fuzz_headers;

    return (fuzz_headers != NULL) ? RD_KAFKA_RESP_ERR_NO_ERROR
                                  : RD_KAFKA_RESP_ERR__NOENT;
}


int64_t
rd_kafka_message_timestamp(const rd_kafka_message_t *m,
    rd_kafka_timestamp_type_t *type)
{
    (void) m;
    *type = RD_KAFKA_TIMESTAMP_CREATE_TIME;

    return FUZZ_RECORD;
}


static judge_verdict_t
fuzz_judge(const judge_value_t *root, fuzz_expected_t *e)
{
    judge_value_t    *source, *topic;
    judge_verdict_t   verdict;

    verdict = judge_command(root, &e->command);

    if (verdict != JUDGE_OK) {
        return verdict;
    }

    source = judge_member(root, "source");
    topic = judge_member(source, "topic");

    if (!judge_integer(judge_member(root, "stock"), 0, FUZZ_MAX, &e->stock)) {
        e->command.pointer = "#/stock";

    } else if (!judge_integer(judge_member(root, "version"), 1, FUZZ_MAX,
                              &e->version)) {
        e->command.pointer = "#/version";

    } else if (topic == NULL || topic->type != JUDGE_STRING || topic->len > 255
               || !judge_integer(judge_member(source, "partition"), 0,
                                 INT32_MAX, &e->partition)
               || !judge_integer(judge_member(source, "offset"), 0, FUZZ_MAX,
                                 &e->offset))
    {
        e->command.pointer = "#/source";

    } else {
        e->topic = topic->text;
    }

    return (e->topic != NULL) ? JUDGE_OK : JUDGE_NOT_COMMAND;
}


static void
fuzz_same(const wh_notification_t *n, const fuzz_expected_t *e)
{
    fuzz_check(n->command.action == (strcmp(e->command.action, "increase") == 0
                                     ? WH_INCREASE : WH_DECREASE));
    fuzz_check(n->command.sku_len == e->command.sku_len);
    fuzz_check(memcmp(n->command.sku, e->command.sku, e->command.sku_len + 1)
               == 0);
    fuzz_check(n->command.qty == e->command.qty);
    fuzz_check(n->command.expected_version == e->command.expected_version);
    fuzz_check(n->command.expected_qty == e->command.expected_qty);
    fuzz_check(n->command.reference_len == e->command.reference_len);
    fuzz_check(n->stock == e->stock);
    fuzz_check(n->version == e->version);
    fuzz_check(strcmp(n->topic, e->topic) == 0);
    fuzz_check(n->partition == e->partition);
    fuzz_check(n->offset == e->offset);
}


/* What the daemon writes has the name of a topic, which is never escaped. */

static void
fuzz_round_trip(const wh_notification_t *n, const fuzz_expected_t *expected)
{
    char               *text;
    size_t              len, topic;
    judge_t             j;
    wh_text_t           t;
    wh_error_t          err;
    fuzz_expected_t     e;
    wh_notification_t  *again;

    topic = strlen(n->topic);

    if (topic > 249
        || strspn(n->topic, "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
           != topic)
    {
        return;
    }

    again = (wh_notification_t *) fuzz_alloc(sizeof(wh_notification_t));
    text = fuzz_alloc(WH_NOTIFICATION_LEN);
    memset(&e, 0, sizeof(e));

    wh_text_init(&t, text, WH_NOTIFICATION_LEN);
    wh_notification_put(&t, n);
    fuzz_check(!t.full);
    len = wh_text_len(&t);

    fuzz_check(fuzz_judge(judge_json(&j, text, len), &e) == JUDGE_OK);
    fuzz_same(n, &e);

    fuzz_check(wh_notification_decode(text, len, again, &err) == WH_OK);
    fuzz_same(again, expected);

    judge_free(&j);
    free(text);
    free(again);
}


/* The time in a header: digits, at most 2^53-1; -1: it is none. */

static int64_t
fuzz_time(const uint8_t *text, size_t len)
{
    size_t   i;
    int64_t  time;

    if (len == 0) {
        return -1;
    }

    for (i = 0, time = 0; i < len; i++) {

        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }

        time = time * 10 + (text[i] - '0');

        if (time > FUZZ_MAX) {
            return -1;
        }
    }

    return time;
}


static int
fuzz_visible(const uint8_t *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] < 0x21 || text[i] > 0x7E) {
            return 0;
        }
    }

    return len >= 1 && len <= 255;
}


/* A header, len bytes behind an FF: added to the record's, and judged. */

static void
fuzz_header(fuzz_record_t *r, const uint8_t *text, size_t len)
{
    int          absent;
    const char  *name;

    name = "trace";
    absent = (*text == 'K' || *text == 'T');

    if (*text == 'k' || *text == 'K') {
        name = "idempotency-key";
        r->nkeys++;
        r->key = (!absent && fuzz_visible(text + 1, len - 1)) ? text + 1
                                                              : NULL;
        r->key_len = len - 1;

    } else if (*text == 't' || *text == 'T') {
        name = "source-timestamp";
        r->ntimes++;
        r->time = absent ? -1 : fuzz_time(text + 1, len - 1);
    }

    (void) rd_kafka_header_add(fuzz_headers, name, -1,
                               absent ? NULL : text + 1, (ssize_t) len - 1);
}


static void
fuzz_headers_add(fuzz_record_t *r, const uint8_t *p, const uint8_t *end)
{
    int             n;
    const uint8_t  *next;

    memset(r, 0, sizeof(fuzz_record_t));
    fuzz_headers = (p < end) ? rd_kafka_headers_new(1) : NULL;

    for (n = 0; p < end && n < FUZZ_HEADERS; p = next, n++) {

        p++;
        next = memchr(p, 0xFF, (size_t) (end - p));
        next = (next != NULL) ? next : end;

        if (next > p) {
            fuzz_header(r, p, (size_t) (next - p));
        }
    }
}


/* Reads the record; e is what its value says, NULL: it is no notification. */

static void
fuzz_follow(wh_follow_t *f, wh_conf_t *conf, const char *value, size_t len,
    const fuzz_record_t *r, const fuzz_expected_t *e)
{
    int                  rc;
    wh_error_t           err;
    rd_kafka_message_t   m;

    memset(&m, 0, sizeof(m));
    m.payload = (void *) value;
    m.len = len;
    m.offset = FUZZ_OFFSET;

    memset(&fuzz_kept, 0, sizeof(fuzz_kept));

    fuzz_error_init(&err);
    conf->skip_notification = -1;

    rc = wh_follow_message(f, &m, &err);

    fuzz_check(fuzz_kept.added == (e != NULL));

    if (e == NULL) {
        /* to pass over it takes somebody who says so */

        fuzz_check(rc == WH_ERROR);
        fuzz_check(strstr(err.text, "--skip_notification=77") != NULL);

        conf->skip_notification = FUZZ_OFFSET - 1;
        fuzz_check(wh_follow_message(f, &m, &err) == WH_ERROR);

        conf->skip_notification = FUZZ_OFFSET;
        fuzz_check(wh_follow_message(f, &m, &err) == WH_OK);
        fuzz_check(f->reading->next == FUZZ_OFFSET + 1);
        fuzz_check(fuzz_kept.added == 0);
        return;
    }

    fuzz_check(rc == WH_OK);
    fuzz_check(f->reading->next == FUZZ_OFFSET + 1);

    /* one key, and its time: the command's, or else the record's */

    if (r->nkeys != 1 || r->key == NULL) {
        fuzz_check(!fuzz_kept.keyed);
        return;
    }

    fuzz_check(fuzz_kept.keyed);
    fuzz_check(fuzz_kept.key.len == r->key_len);
    fuzz_check(memcmp(fuzz_kept.key.text, r->key, r->key_len) == 0);
    fuzz_check(fuzz_kept.time == (r->ntimes == 1 && r->time >= 0
                                  ? r->time : FUZZ_RECORD));
}


/* The position behind the command that a notification came from. */

static void
fuzz_source(wh_follow_t *f, const fuzz_expected_t *e)
{
    const wh_positions_t  *sources;

    sources = &f->reading->sources;

    if (e == NULL || strcmp(e->topic, f->conf->commands_topic) != 0) {
        fuzz_check(sources->n == 0);
        return;
    }

    fuzz_check(sources->n == 1);
    fuzz_check(sources->partitions[0] == e->partition);
    fuzz_check(wh_positions_get(sources, (int32_t) e->partition)
               == e->offset + 1);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int                 rc;
    char               *value;
    size_t              n;
    judge_t             j;
    wh_conf_t           conf;
    wh_error_t          err;
    wh_follow_t         f;
    const uint8_t      *headers;
    fuzz_record_t       record;
    fuzz_expected_t     e, *known;
    judge_verdict_t     verdict;
    wh_notification_t  *notification;

    memset(&e, 0, sizeof(e));
    memset(&f, 0, sizeof(f));
    memset(&conf, 0, sizeof(conf));

    /* a block of its own, where reading past the value is noticed */

    headers = memchr(data, 0xFF, len);
    headers = (headers != NULL) ? headers : data + len;
    n = (size_t) (headers - data);
    value = fuzz_alloc(n);
    memcpy(value, data, n);

    notification = (wh_notification_t *) fuzz_alloc(sizeof(wh_notification_t));
    fuzz_error_init(&err);

    rc = wh_notification_decode(value, n, notification, &err);
    verdict = fuzz_judge(judge_json(&j, value, n), &e);

    switch (verdict) {

    case JUDGE_OK:
        fuzz_check(rc == WH_OK);
        fuzz_check(notification->command.sku == notification->texts);
        fuzz_same(notification, &e);
        fuzz_round_trip(notification, &e);
        break;

    case JUDGE_NOT_JSON:
        fuzz_check(rc == WH_EJSON);
        fuzz_error_check(&err, NULL);
        break;

    case JUDGE_NOT_COMMAND:
        fuzz_check(rc == WH_ECOMMAND);
        fuzz_error_check(&err, e.command.pointer);
        break;
    }

    conf.commands_topic = (char *) "commands";
    conf.notifications_topic = (char *) "notifications";
    f.conf = &conf;
    f.reading = &f.parts[0];
    f.high = FUZZ_OFFSET + 1;

    /* no topic has so many partitions */

    known = (verdict == JUDGE_OK
             && (strcmp(e.topic, conf.commands_topic) != 0
                 || e.partition < WH_PARTITIONS_MAX)) ? &e : NULL;

    fuzz_headers_add(&record, headers, data + len);
    fuzz_follow(&f, &conf, value, n, &record, known);
    fuzz_source(&f, known);

    if (fuzz_headers != NULL) {
        rd_kafka_headers_destroy(fuzz_headers);
    }

    wh_positions_free(&f.reading->sources);
    judge_free(&j);
    free(notification);
    free(value);

    return 0;
}
