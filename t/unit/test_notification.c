/*
 * Notifications: written by the daemon, read when it recovers and by anyone.
 */

#include "unit.h"


#define NOTIFICATION(stock, version, source)                                  \
    "{\"action\":\"increase\",\"sku\":\"SKU123\",\"qty\":10"                  \
    stock version source "}"

#define STOCK    ",\"stock\":20"
#define VERSION  ",\"version\":2"
#define SOURCE(topic, partition, offset)                                      \
    ",\"source\":{" topic partition offset "}"

#define TOPIC      "\"topic\":\"commands\""
#define PARTITION  ",\"partition\":0"
#define OFFSET     ",\"offset\":41"

#define COMPLETE   SOURCE(TOPIC, PARTITION, OFFSET)


typedef struct {
    const char  *text;
    size_t       len;
    int          rc;
} unit_row_t;


static const unit_row_t  unit_rows[] = {

    { T(NOTIFICATION(STOCK, VERSION, COMPLETE)), WH_OK },

    /* fields in another order, fields of a later version */
    { T("{\"source\":{\"homes\":4,\"offset\":41,\"partition\":0,"
        "\"topic\":\"commands\"},\"time\":[],\"version\":2,\"stock\":20,"
        "\"qty\":10,\"sku\":\"SKU123\",\"action\":\"increase\"}"), WH_OK },

    /* the command's own rules */
    { T("{\"action\":\"fly\",\"sku\":\"A\",\"qty\":10" STOCK VERSION COMPLETE
        "}"), WH_ECOMMAND },
    { T("{\"action\":\"increase\",\"sku\":\"\",\"qty\":10" STOCK VERSION
        COMPLETE "}"), WH_ECOMMAND },
    { T("{\"action\":\"increase\",\"sku\":\"A\",\"qty\":0" STOCK VERSION
        COMPLETE "}"), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, COMPLETE ",\"stock\":20")), WH_EJSON },
    { T(NOTIFICATION(STOCK, VERSION, COMPLETE) "x"), WH_EJSON },
    { T(""), WH_EJSON },
    { T("[]"), WH_ECOMMAND },
    { T("null"), WH_ECOMMAND },

    /* stock: 0..2^53-1 */
    { T(NOTIFICATION("", VERSION, COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(",\"stock\":0", VERSION, COMPLETE)), WH_OK },
    { T(NOTIFICATION(",\"stock\":9007199254740991", VERSION, COMPLETE)),
      WH_OK },
    { T(NOTIFICATION(",\"stock\":9007199254740992", VERSION, COMPLETE)),
      WH_ECOMMAND },
    { T(NOTIFICATION(",\"stock\":-1", VERSION, COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(",\"stock\":0.5", VERSION, COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(",\"stock\":\"20\"", VERSION, COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(",\"stock\":null", VERSION, COMPLETE)), WH_ECOMMAND },

    /* version: from 1 */
    { T(NOTIFICATION(STOCK, "", COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, ",\"version\":1", COMPLETE)), WH_OK },
    { T(NOTIFICATION(STOCK, ",\"version\":0", COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, ",\"version\":-1", COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, ",\"version\":1.5", COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, ",\"version\":true", COMPLETE)), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, ",\"version\":1e400", COMPLETE)), WH_ECOMMAND },

    /* source */
    { T(NOTIFICATION(STOCK, VERSION, "")), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, ",\"source\":null")), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, ",\"source\":\"commands\"")),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, ",\"source\":[\"commands\",0,41]")),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, ",\"source\":{}")), WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, SOURCE("\"x\":1", PARTITION, OFFSET))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE("\"topic\":7", PARTITION, OFFSET))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, SOURCE(TOPIC, "", OFFSET))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, ",\"partition\":-1", OFFSET))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, ",\"partition\":2147483647", OFFSET))),
      WH_OK },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, ",\"partition\":2147483648", OFFSET))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION, SOURCE(TOPIC, PARTITION, ""))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, PARTITION, ",\"offset\":0"))), WH_OK },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, PARTITION, ",\"offset\":-1"))),
      WH_ECOMMAND },
    { T(NOTIFICATION(STOCK, VERSION,
                     SOURCE(TOPIC, PARTITION, ",\"offset\":\"41\""))),
      WH_ECOMMAND },
};


static void
test_rows(void **state)
{
    int                rc;
    size_t             i, failed;
    wh_error_t         err;
    wh_notification_t  n;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_rows); i++) {
        rc = unit_decode_notification(unit_rows[i].text, unit_rows[i].len, &n,
                                      &err);
        failed += unit_differ(unit_rows[i].text, unit_rows[i].len, rc,
                              unit_rows[i].rc);
    }

    assert_int_equal(failed, 0);
}


/* The contract, byte by byte, and back. */

static void
test_round_trip(void **state)
{
    char                *dst;
    wh_text_t            text;
    wh_error_t           err;
    wh_notification_t    n, read;
    static const char    expected[] =
        "{\"action\":\"increase\",\"sku\":\"SKU123\",\"qty\":10,"
        "\"stock\":20,\"version\":2,"
        "\"source\":{\"topic\":\"commands\",\"partition\":0,\"offset\":41}}";

    (void) state;

    memset(&n, 0, sizeof(n));
    n.command.action = WH_INCREASE;
    n.command.qty = 10;
    n.command.expected_version = -1;
    n.command.expected_qty = -1;
    n.command.sku_len = 6;
    n.command.sku = "SKU123";
    n.stock = 20;
    n.version = 2;
    strcpy(n.topic, "commands");
    n.partition = 0;
    n.offset = 41;

    dst = malloc(WH_NOTIFICATION_LEN);
    assert_non_null(dst);

    wh_text_init(&text, dst, WH_NOTIFICATION_LEN);
    wh_notification_put(&text, &n);
    assert_int_equal(wh_text_len(&text), sizeof(expected) - 1);
    assert_memory_equal(dst, expected, sizeof(expected) - 1);

    assert_int_equal(unit_decode_notification(T(expected), &read, &err),
                     WH_OK);
    assert_int_equal(read.command.action, WH_INCREASE);
    assert_int_equal(read.command.qty, 10);
    assert_int_equal(read.command.sku_len, 6);
    assert_string_equal(read.command.sku, "SKU123");
    assert_int_equal(read.stock, 20);
    assert_int_equal(read.version, 2);
    assert_string_equal(read.topic, "commands");
    assert_int_equal(read.partition, 0);
    assert_int_equal(read.offset, 41);

    free(dst);
}


/* The longest notification there can be fits WH_NOTIFICATION_LEN. */

static void
test_longest(void **state)
{
    char               *dst;
    size_t              len;
    wh_text_t           text;
    wh_error_t          err;
    wh_notification_t   n, read;

    (void) state;

    memset(&n, 0, sizeof(n));
    n.command.action = WH_DECREASE;
    n.command.qty = WH_QTY_MAX;
    n.command.sku_len = WH_SKU_MAX;
    n.command.expected_version = WH_QTY_MAX;
    n.command.expected_qty = WH_QTY_MAX;
    memset(n.texts, '\\', WH_SKU_MAX);
    n.command.sku = n.texts;
    n.command.reference_len = WH_REFERENCE_MAX;
    n.command.reference = n.texts + WH_SKU_MAX + 1;
    memset(n.texts + WH_SKU_MAX + 1, '\x01', WH_REFERENCE_MAX);
    n.stock = WH_QTY_MAX;
    n.version = WH_QTY_MAX;
    memset(n.topic, 't', 249);
    n.partition = INT32_MAX;
    n.offset = WH_QTY_MAX;

    dst = malloc(WH_NOTIFICATION_LEN);
    assert_non_null(dst);

    wh_text_init(&text, dst, WH_NOTIFICATION_LEN);
    wh_notification_put(&text, &n);
    assert_false(text.full);
    len = wh_text_len(&text);
    assert_in_range(len, 1, WH_NOTIFICATION_LEN);

    assert_int_equal(unit_decode_notification(dst, len, &read, &err), WH_OK);
    assert_memory_equal(read.command.sku, n.command.sku, WH_SKU_MAX);
    assert_int_equal(read.command.expected_version, WH_QTY_MAX);
    assert_int_equal(read.command.expected_qty, WH_QTY_MAX);
    assert_int_equal(read.command.reference_len, WH_REFERENCE_MAX);
    assert_memory_equal(read.command.reference, n.command.reference,
                        WH_REFERENCE_MAX);
    assert_int_equal(read.stock, WH_QTY_MAX);
    assert_int_equal(read.version, WH_QTY_MAX);
    assert_string_equal(read.topic, n.topic);
    assert_int_equal(read.partition, INT32_MAX);
    assert_int_equal(read.offset, WH_QTY_MAX);

    free(dst);
}


/* A topic that no cluster has is refused, not cut and not written past. */

static void
test_topic_length(void **state)
{
    char               *text;
    size_t              i, len;
    wh_error_t          err;
    wh_notification_t   n;
    static const size_t  lengths[] = { 256, 257, 300, 5000 };

    (void) state;

    for (i = 0; i < unit_items(lengths); i++) {
        text = unit_repeat("{\"action\":\"increase\",\"sku\":\"A\",\"qty\":1"
                           STOCK VERSION ",\"source\":{\"topic\":\"",
                           't', lengths[i], "\"" PARTITION OFFSET "}}", &len);
        assert_int_equal(unit_decode_notification(text, len, &n, &err),
                         WH_ECOMMAND);
        free(text);
    }
}


/* The header with the time of the command: digits and nothing else. */

static void
test_time(void **state)
{
    int       rc;
    size_t    i, failed;
    int64_t   time;

    static const struct {
        const char  *text;
        size_t       len;
        int64_t      time;      /* -1: it is none */
    } rows[] = {
        { T("0"), 0 },
        { T("1763805121000"), INT64_C(1763805121000) },
        { T("9007199254740991"), WH_QTY_MAX },
        { T("0000000000000000000000000000000000000000001"), 1 },
        { T("9007199254740992"), -1 },
        { T("99999999999999999999999"), -1 },
        { T(""), -1 },
        { T("-1"), -1 },
        { T("+1"), -1 },
        { T(" 1"), -1 },
        { T("1 "), -1 },
        { T("1x"), -1 },
        { T("0x10"), -1 },
        { T("1.0"), -1 },

        /* found by t/fuzz: taken for 0 and for 12 */
        { T("\0"), -1 },
        { T("12\0junk"), -1 },
    };

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(rows); i++) {
        rc = wh_notification_time(rows[i].text, rows[i].len, &time);
        failed += unit_differ(rows[i].text, rows[i].len, rc,
                              rows[i].time >= 0 ? WH_OK : WH_ECOMMAND);

        if (rc == WH_OK) {
            failed += unit_differ(rows[i].text, rows[i].len, time,
                                  rows[i].time);
        }
    }

    assert_int_equal(failed, 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_topic_length),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
