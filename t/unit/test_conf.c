/*
 * The daemon's configuration: values, files, and what is refused.
 */

#include "unit.h"

#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "wh_credential.h"


#define UNIT_FILE  "/tmp/warehouse-unit.XXXXXX"


typedef struct {
    const char  *key;
    size_t       offset;
    const char  *value;
    int64_t      number;       /* -1: the value is refused */
} unit_number_t;


#define N(key)  #key, offsetof(wh_conf_t, key)


static const unit_number_t  unit_numbers[] = {

    { N(batch_size), "1", 1 },
    { N(batch_size), "100000", 100000 },
    { N(batch_size), "0", -1 },
    { N(batch_size), "100001", -1 },
    { N(batch_size), "-1", -1 },
    { N(batch_size), "+1", -1 },
    { N(batch_size), "", -1 },
    { N(batch_size), " 1", -1 },
    { N(batch_size), "1 ", -1 },
    { N(batch_size), "1k", -1 },
    { N(batch_size), "1.5", -1 },
    { N(batch_size), "1e3", -1 },
    { N(batch_size), "0x10", -1 },
    { N(batch_size), "ten", -1 },
    { N(batch_size), "4294967297", -1 },
    { N(batch_size), "18446744073709551617", -1 },

    { N(wal_limit), "1048576", 1048576 },
    { N(wal_limit), "1024k", 1048576 },
    { N(wal_limit), "1m", 1048576 },
    { N(wal_limit), "1048576m", INT64_C(1099511627776) },
    { N(wal_limit), "1048575", -1 },
    { N(wal_limit), "1023k", -1 },
    { N(wal_limit), "1048577m", -1 },
    { N(wal_limit), "1099511627777", -1 },
    { N(wal_limit), "0", -1 },
    { N(wal_limit), "", -1 },
    { N(wal_limit), "m", -1 },
    { N(wal_limit), "64mm", -1 },
    { N(wal_limit), "64mb", -1 },
    { N(wal_limit), "64 m", -1 },
    { N(wal_limit), "-64m", -1 },

    /* shifted, these would come out small again */
    { N(wal_limit), "17592186044417m", -1 },
    { N(wal_limit), "18014398509483008k", -1 },
    { N(wal_limit), "9223372036854775807m", -1 },
    { N(wal_limit), "99999999999999999999m", -1 },

    { N(database_mode), "0600", 0600 },
    { N(database_mode), "0640", 0640 },
    { N(database_mode), "644", 0644 },
    { N(database_mode), "0666", 0666 },
    { N(database_mode), "0577", -1 },
    { N(database_mode), "0777", -1 },
    { N(database_mode), "0840", -1 },
    { N(database_mode), "01640", -1 },
    { N(database_mode), "rw", -1 },
    { N(database_mode), "", -1 },

    { N(skip_trimmed_commands), "yes", 1 },
    { N(skip_trimmed_commands), "no", 0 },
    { N(skip_trimmed_commands), "maybe", -1 },
    { N(skip_trimmed_commands), "yess", -1 },
    { N(skip_trimmed_commands), "2", -1 },
    { N(skip_trimmed_commands), "", -1 },
};


/* properties whose value the guarantees depend on: design, section 7 */

static const char  *unit_reserved[][2] = {
    { "kafka.acks", "1" },
    { "kafka.request.required.acks", "1" },
    { "kafka.statistics.interval.ms", "1" },
    { "kafka.enable.idempotence", "false" },
    { "kafka.transactional.id", "mine" },
    { "kafka.delivery.report.only.error", "true" },
    { "kafka.message.timeout.ms", "0" },
    { "kafka.delivery.timeout.ms", "0" },
    { "kafka.partitioner", "random" },
    { "kafka.isolation.level", "read_uncommitted" },
    { "kafka.enable.auto.commit", "true" },
    { "kafka.auto.commit.enable", "true" },
    { "kafka.enable.auto.offset.store", "true" },
    { "kafka.partition.assignment.strategy", "cooperative-sticky" },
    { "kafka.group.id", "mine" },
    { "kafka.group.instance.id", "mine" },
    { "kafka.test.mock.num.brokers", "3" },
    { "kafka.test.mock.broker.rtt", "1" },
};


static int
unit_conf_setup(void **state)
{
    wh_conf_t   *conf;
    wh_error_t   err;

    conf = malloc(sizeof(wh_conf_t));
    assert_non_null(conf);
    assert_int_equal(wh_conf_init(conf, &err), WH_OK);
    *state = conf;

    return 0;
}


static int
unit_conf_teardown(void **state)
{
    wh_conf_free(*state);
    free(*state);

    return 0;
}


/* The value of a property that librdkafka would get in the end, or NULL. */

static const char *
unit_property(const wh_conf_t *conf, const char *name)
{
    size_t       i;
    const char  *value;

    value = NULL;

    for (i = 0; i < conf->nproperties; i++) {
        if (strcmp(conf->properties[i].name, name) == 0) {
            value = conf->properties[i].value;
        }
    }

    return value;
}


static int
unit_set(wh_conf_t *conf, const char *key, const char *value)
{
    int         rc;
    wh_error_t  err;

    memset(&err, 0, sizeof(err));
    rc = wh_conf_set(conf, key, value, &err);

    if (rc != WH_OK) {
        assert_int_not_equal(err.text[0], '\0');
    }

    return rc;
}


/* Reads text as the file at path, which is made for it and removed. */

static int
unit_read_bytes(wh_conf_t *conf, const char *text, size_t len, char *path,
    wh_error_t *err)
{
    int  fd, rc;

    strcpy(path, UNIT_FILE);

    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(close(fd), 0);

    memset(err, 0, sizeof(wh_error_t));
    rc = wh_conf_read(conf, path, err);
    (void) unlink(path);

    return rc;
}


static int
unit_read_file(wh_conf_t *conf, const char *text, char *path, wh_error_t *err)
{
    return unit_read_bytes(conf, text, strlen(text), path, err);
}


/*
 * Reads text as a file.  where is what err must begin with behind the file's
 * name, such as ":2"; NULL: the file is fine.
 */

static void
unit_read(wh_conf_t *conf, const char *text, const char *where)
{
    int          rc;
    char         path[sizeof(UNIT_FILE)], start[sizeof(UNIT_FILE) + 16];
    wh_error_t   err;

    rc = unit_read_file(conf, text, path, &err);

    if (where == NULL) {
        if (rc != WH_OK) {
            fail_msg("%s", err.text);
        }

        return;
    }

    assert_int_equal(rc, WH_ERROR);
    (void) snprintf(start, sizeof(start), "%s%s:", path, where);

    if (strncmp(err.text, start, strlen(start)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", err.text, start);
    }
}


static void
test_defaults(void **state)
{
    wh_error_t   err;
    wh_conf_t   *conf = *state;

    assert_string_equal(conf->database, "/var/lib/warehouse/warehouse.db");
    assert_int_equal(conf->database_mode, 0640);
    assert_string_equal(conf->commands_topic, "commands");
    assert_string_equal(conf->notifications_topic, "notifications");
    assert_string_equal(conf->group_id, "warehouse");
    assert_int_equal(conf->batch_size, 50000);
    assert_int_equal(conf->wal_limit, 64 << 20);
    assert_int_equal(conf->skip_trimmed_commands, 0);
    assert_string_equal(conf->log, "stderr");
    assert_string_equal(conf->pid_file, "");
    assert_int_equal(conf->nproperties, 0);

    /* freed twice is freed once */

    wh_conf_free(conf);
    wh_conf_free(conf);
    assert_int_equal(wh_conf_init(conf, &err), WH_OK);
}


static void
test_numbers(void **state)
{
    int                   rc;
    size_t                i, failed;
    int64_t               number;
    wh_conf_t            *conf = *state;
    const unit_number_t  *row;

    failed = 0;

    for (i = 0; i < unit_items(unit_numbers); i++) {
        row = &unit_numbers[i];
        rc = unit_set(conf, row->key, row->value);
        failed += unit_differ(row->value, strlen(row->value), rc,
                              row->number >= 0 ? WH_OK : WH_ERROR);

        if (row->number >= 0) {
            number = *(int64_t *) ((char *) conf + row->offset);
            failed += unit_differ(row->value, strlen(row->value), number,
                                  row->number);
        }
    }

    assert_int_equal(failed, 0);

    /* what was refused changed nothing */

    assert_int_equal(conf->batch_size, 100000);
    assert_int_equal(conf->database_mode, 0666);
}


static void
test_strings(void **state)
{
    size_t                     i;
    wh_conf_t                 *conf = *state;
    static const char *const   keys[] = { "database", "commands_topic",
                                          "notifications_topic", "group_id",
                                          "log" };

    for (i = 0; i < unit_items(keys); i++) {
        assert_int_equal(unit_set(conf, keys[i], ""), WH_ERROR);
        assert_int_equal(unit_set(conf, keys[i], "one"), WH_OK);
        assert_int_equal(unit_set(conf, keys[i], "two"), WH_OK);
    }

    assert_string_equal(conf->database, "two");
    assert_string_equal(conf->commands_topic, "two");
    assert_string_equal(conf->notifications_topic, "two");
    assert_string_equal(conf->group_id, "two");
    assert_string_equal(conf->log, "two");

    /* the only one that may be empty: no file */

    assert_int_equal(unit_set(conf, "pid_file", "/run/one"), WH_OK);
    assert_string_equal(conf->pid_file, "/run/one");
    assert_int_equal(unit_set(conf, "pid_file", ""), WH_OK);
    assert_string_equal(conf->pid_file, "");
}


static void
test_unknown(void **state)
{
    size_t                     i;
    wh_conf_t                 *conf = *state;
    static const char *const   keys[] = { "", "databas", "database_",
                                          "Database", "database mode", "kafka",
                                          "bootstrap.servers" };

    for (i = 0; i < unit_items(keys); i++) {
        assert_int_equal(unit_set(conf, keys[i], "1"), WH_ERROR);
    }

    assert_int_equal(conf->nproperties, 0);
}


static void
test_properties(void **state)
{
    size_t      i, failed;
    wh_conf_t  *conf = *state;

    failed = 0;

    for (i = 0; i < unit_items(unit_reserved); i++) {
        failed += unit_differ(unit_reserved[i][0], strlen(unit_reserved[i][0]),
                              unit_set(conf, unit_reserved[i][0],
                                       unit_reserved[i][1]), WH_ERROR);
    }

    assert_int_equal(failed, 0);
    assert_int_equal(conf->nproperties, 0);

    assert_int_equal(unit_set(conf, "kafka.linger.ms", "5"), WH_OK);
    assert_int_equal(unit_set(conf, "kafka.bootstrap.servers", "a:1"), WH_OK);
    assert_string_equal(unit_property(conf, "linger.ms"), "5");
    assert_string_equal(unit_property(conf, "bootstrap.servers"), "a:1");

    /* the last one counts: arguments come after the file */

    assert_int_equal(unit_set(conf, "kafka.linger.ms", "6"), WH_OK);
    assert_string_equal(unit_property(conf, "linger.ms"), "6");
    assert_string_equal(unit_property(conf, "bootstrap.servers"), "a:1");
}


static void
test_file(void **state)
{
    wh_conf_t  *conf = *state;

    unit_read(conf,
              "# a comment\n"
              "; another one\n"
              "\n"
              "database = /srv/stock.db\n"
              "batch_size=500\n"
              "  \n"
              "kafka.bootstrap.servers = a:9092,b:9092\n"
              "kafka.linger.ms   =   5   \n"
              "log = /var/log/stock.log", NULL);

    assert_string_equal(conf->database, "/srv/stock.db");
    assert_int_equal(conf->batch_size, 500);
    assert_string_equal(unit_property(conf, "bootstrap.servers"),
                        "a:9092,b:9092");
    assert_string_equal(unit_property(conf, "linger.ms"), "5");
    assert_string_equal(conf->log, "/var/log/stock.log");

    /* what the file does not name stays; what it names twice is the last */

    unit_read(conf, "batch_size = 7\nbatch_size = 8\n", NULL);
    assert_int_equal(conf->batch_size, 8);
    assert_string_equal(conf->database, "/srv/stock.db");

    unit_read(conf, "", NULL);
    assert_int_equal(conf->batch_size, 8);
}


static void
test_continuation(void **state)
{
    wh_conf_t  *conf = *state;

    unit_read(conf,
              "kafka.bootstrap.servers = a:9092,\n"
              "    b:9092,\n"
              "\tc:9092\n"
              "batch_size = 500\n", NULL);

    assert_string_equal(unit_property(conf, "bootstrap.servers"),
                        "a:9092,b:9092,c:9092");
    assert_int_equal(conf->batch_size, 500);

    /* to the end of the file, without a newline */

    unit_read(conf, "commands_topic = com\n mands.2", NULL);
    assert_string_equal(conf->commands_topic, "commands.2");

    /* with comments behind, any white space in front, any length of the key */

    unit_read(conf, "kafka.bootstrap.servers = a:1, ; one\n"
                    " b:2, \t; two\n c:3;d ;\n", NULL);
    assert_string_equal(unit_property(conf, "bootstrap.servers"),
                        "a:1,b:2,c:3;d");

    unit_read(conf, "database = /a\n\f/b\n\v/c\n", NULL);
    assert_string_equal(conf->database, "/a/b/c");

    unit_read(conf, "kafka.sasl.oauthbearer.client.credentials.client.secret "
                    "= a\n b\n c\n", NULL);
    assert_string_equal(unit_property(conf, "sasl.oauthbearer.client."
                                            "credentials.client.secret"),
                        "abc");
}


/* Whatever this librdkafka has that sounds like a secret is known for one. */

static void
test_credentials(void **state)
{
    int     secrets;
    char   *text, *line, *next;
    FILE   *out;
    size_t  i, size, len;

    static const char  *words[] = {
        "password", "passphrase", "secret", "private", ".pem", "token.value"
    };

    (void) state;

    out = open_memstream(&text, &size);
    assert_non_null(out);
    rd_kafka_conf_properties_show(out);
    assert_int_equal(fclose(out), 0);

    secrets = 0;

    for (line = text; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');

        if (next != NULL) {
            *next++ = '\0';
        }

        len = strcspn(line, " |");
        line[len] = '\0';

        for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strstr(line, words[i]) != NULL
                && strstr(line, ".file") == NULL
                && strstr(line, ".location") == NULL)
            {
                if (wh_credential(line, len) == WH_CREDENTIAL_NONE) {
                    fail_msg("\"%s\" is not known", line);
                }

                secrets++;
            }
        }
    }

    free(text);

    assert_true(secrets > 5);
}


static void
test_file_errors(void **state)
{
    wh_error_t   err;
    wh_conf_t   *conf = *state;

    unit_read(conf, "colour = blue\n", ":1");
    unit_read(conf, "log = a\n\n# b\nbatch_size = 0\nlog = c\n", ":4");
    unit_read(conf, "log = a\nbatch_size = 0", ":2");
    unit_read(conf, "log = a\nnonsense\n", ":2");
    unit_read(conf, "log = a\nkafka.acks = 1\n", ":2");
    unit_read(conf, "log = a\nbatch_size = 1\n  0x\nlog = b\n", ":2");
    unit_read(conf, "log = a\n[section]\nlog = b\n", ":2");
    unit_read(conf, "log = a\n[section]\n", ":2");
    unit_read(conf, "log = a\n[]\n log = b\n", ":2");
    unit_read(conf, "log = a\n[open\n", ":2");
    unit_read(conf, " [section]\n", ":1");
    unit_read(conf, "\xEF\xBB\xBF[section]\n", ":1");

    memset(&err, 0, sizeof(err));
    assert_int_equal(wh_conf_read(conf, "/nowhere/consumer.conf", &err),
                     WH_ERROR);
    assert_non_null(strstr(err.text, "/nowhere/consumer.conf"));
}


/* A line is taken whole or refused, never cut in two. */

static void
test_long_lines(void **state)
{
    char        *text, path[sizeof(UNIT_FILE)];
    size_t       count, len;
    wh_conf_t   *conf = *state;
    wh_error_t   err;

    text = unit_repeat("log = a\ndatabase = ", 'x', 150, "\nlog = b\n", &len);
    unit_read(conf, text, NULL);
    assert_int_equal(strlen(conf->database), 150);
    assert_string_equal(conf->log, "b");
    free(text);

    for (count = 200; count <= 1000; count++) {
        text = unit_repeat("log = a\ndatabase = ", 'x', count,
                           "\nlog = c\n", &len);
        unit_read(conf, text, ":2");
        free(text);
    }

    assert_int_equal(strlen(conf->database), 150);

    /* around the limit, wherever it is: the whole value or an error */

    for (count = 150; count <= 200; count++) {
        text = unit_repeat("database = ", 'x', count, "", &len);

        if (unit_read_file(conf, text, path, &err) == WH_OK) {
            assert_int_equal(strlen(conf->database), count);
        }

        free(text);
    }
}


/* A NUL is no end of a line, and what is behind it does not get lost. */

static void
test_nul(void **state)
{
    int           rc;
    char          path[sizeof(UNIT_FILE)], text[256];
    size_t        i;
    wh_conf_t    *conf = *state;
    wh_error_t    err;

    static const struct {
        const char  *text;
        size_t       len;
    } rows[] = {
        { T("pid_file = a\nlog = b\0c\n") },
        { T("pid_file = a\nlog\0 = b\n") },
        { T("pid_file = a\n\0\nlog = b\n") },
        { T("pid_file = a\n# \0\nlog = b\n") },
    };

    for (i = 0; i < unit_items(rows); i++) {
        rc = unit_read_bytes(conf, rows[i].text, rows[i].len, path, &err);
        assert_int_equal(rc, WH_ERROR);
        assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
        assert_int_equal(strncmp(err.text + strlen(path), ":2: ", 4), 0);
    }

    /* of a line too long, its rest was taken for the next one */

    memset(text, 'x', sizeof(text));
    memcpy(text, "#\0", 2);
    memcpy(text + 199, "log = d\n", 8);
    assert_int_equal(unit_read_bytes(conf, text, 207, path, &err), WH_ERROR);
    assert_string_equal(conf->log, "stderr");
}


static void
test_check(void **state)
{
    char        *topic;
    size_t       len;
    wh_error_t   err;
    wh_conf_t   *conf = *state;

    /* no broker */

    assert_int_equal(wh_conf_check(conf, &err), WH_ERROR);
    assert_non_null(strstr(err.text, "bootstrap.servers"));

    assert_int_equal(unit_set(conf, "kafka.bootstrap.servers", "a:1"), WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_OK);

    /* one topic for both */

    assert_int_equal(unit_set(conf, "notifications_topic", "commands"),
                     WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_ERROR);
    assert_int_equal(unit_set(conf, "commands_topic", "Commands"), WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_OK);

    /* not the name of a topic */

    assert_int_equal(unit_set(conf, "commands_topic", "com mands"), WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_ERROR);

    topic = unit_repeat("", 't', 249, "", &len);
    assert_int_equal(unit_set(conf, "commands_topic", topic), WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_OK);
    free(topic);

    topic = unit_repeat("", 't', 250, "", &len);
    assert_int_equal(unit_set(conf, "commands_topic", topic), WH_OK);
    assert_int_equal(wh_conf_check(conf, &err), WH_ERROR);
    free(topic);
}


static void
test_help(void **state)
{
    char                      *text;
    size_t                     i, len;
    FILE                      *out;
    static const char *const   keys[] = { "database", "database_mode",
                                          "commands_topic",
                                          "notifications_topic", "group_id",
                                          "batch_size", "wal_limit",
                                          "skip_trimmed_commands", "log",
                                          "pid_file", "kafka." };

    (void) state;

    out = open_memstream(&text, &len);
    assert_non_null(out);
    wh_conf_help(out);
    assert_int_equal(fclose(out), 0);

    for (i = 0; i < unit_items(keys); i++) {
        assert_non_null(strstr(text, keys[i]));
    }

    free(text);
}


static void
test_files(void **state)
{
    wh_conf_t  *conf = *state;

    assert_int_equal(unit_set(conf, "kafka.sasl.password_file", "/a"), WH_OK);
    assert_string_equal(unit_property(conf, "sasl.password"), "/a");
    assert_int_equal(conf->properties[0].file, 1);

    /* the last one counts */

    assert_int_equal(unit_set(conf, "kafka.sasl.password", "b"), WH_OK);
    assert_int_equal(conf->nproperties, 1);
    assert_string_equal(unit_property(conf, "sasl.password"), "b");
    assert_int_equal(conf->properties[0].file, 0);

    /* other properties have no files, and librdkafka knows none of such names */

    assert_int_equal(unit_set(conf, "kafka.group.id_file", "c"), WH_OK);
    assert_string_equal(unit_property(conf, "group.id_file"), "c");
    assert_int_equal(conf->properties[1].file, 0);

    assert_int_equal(unit_set(conf, "kafka._file", "c"), WH_OK);
    assert_string_equal(unit_property(conf, "_file"), "c");

    assert_true(wh_conf_secret("kafka.sasl.password"));
    assert_false(wh_conf_secret("kafka.sasl.password_file"));
    assert_false(wh_conf_secret("kafka.sasl.username"));
}


#define unit_conf_test(f)                                                     \
    cmocka_unit_test_setup_teardown(f, unit_conf_setup, unit_conf_teardown)


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        unit_conf_test(test_defaults),
        unit_conf_test(test_numbers),
        unit_conf_test(test_strings),
        unit_conf_test(test_unknown),
        unit_conf_test(test_properties),
        unit_conf_test(test_file),
        unit_conf_test(test_continuation),
        unit_conf_test(test_credentials),
        unit_conf_test(test_file_errors),
        unit_conf_test(test_long_lines),
        unit_conf_test(test_nul),
        unit_conf_test(test_check),
        unit_conf_test(test_help),
        unit_conf_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
