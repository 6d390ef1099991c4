/*
 * warehouse-consumer: arguments, configuration, start.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <sqlite3.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "conf/conf.h"
#include "kafka/client.h"
#include "daemon.h"


#define WH_VERSION       "0.1.0"
#define WH_DEFAULT_CONF  "/etc/warehouse/consumer.conf"


typedef struct {
    const char  *file;         /* NULL: the default */
    int          test;
} wh_args_t;


static int wh_main_args(wh_args_t *args, wh_conf_t *conf, int argc,
    char *const argv[], int keys, wh_error_t *err);
static int wh_main_key(wh_conf_t *conf, const char *arg, wh_error_t *err);
static int wh_main_configure(wh_args_t *args, wh_conf_t *conf, int argc,
    char *const argv[], wh_error_t *err);
static int wh_main_start(const wh_conf_t *conf, wh_error_t *err);
static void wh_main_help(void);


int
main(int argc, char *const argv[])
{
    int         rc, status;
    wh_conf_t   conf;
    wh_args_t   args;
    wh_error_t  err;

    memset(&args, 0, sizeof(args));

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        wh_main_help();
        return fflush(stdout) == 0 ? WH_EXIT_OK : WH_EXIT_ERROR;
    }

    if (argc == 2 && strcmp(argv[1], "-V") == 0) {
        printf("warehouse-consumer/%s librdkafka/%s sqlite/%s\n", WH_VERSION,
               rd_kafka_version_str(), sqlite3_libversion());
        return fflush(stdout) == 0 ? WH_EXIT_OK : WH_EXIT_ERROR;
    }

    wh_fail_init();

    rc = wh_main_configure(&args, &conf, argc, argv, &err);

    if (rc != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
        wh_conf_free(&conf);
        return WH_EXIT_CONF;
    }

    if (args.test) {
        fprintf(stderr, "configuration file %s test is successful\n",
                args.file ? args.file : WH_DEFAULT_CONF);
        wh_conf_free(&conf);
        return WH_EXIT_OK;
    }

    if (wh_main_start(&conf, &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
        wh_conf_free(&conf);
        return WH_EXIT_CONF;
    }

    wh_log(WH_LOG_NOTICE, "warehouse-consumer/%s started, process %d",
           WH_VERSION, (int) getpid());

    status = wh_daemon_run(&conf);

    wh_conf_free(&conf);

    return status;
}


/* Defaults, then the file, then the arguments. */

static int
wh_main_configure(wh_args_t *args, wh_conf_t *conf, int argc,
    char *const argv[], wh_error_t *err)
{
    int  rc;

    rc = wh_conf_init(conf, err);

    if (rc == WH_OK) {
        rc = wh_main_args(args, conf, argc, argv, 0, err);
    }

    if (rc == WH_OK
        && (args->file != NULL || access(WH_DEFAULT_CONF, F_OK) == 0))
    {
        rc = wh_conf_read(conf, args->file ? args->file : WH_DEFAULT_CONF, err);
    }

    if (rc == WH_OK) {
        rc = wh_main_args(args, conf, argc, argv, 1, err);
    }

    if (rc == WH_OK) {
        rc = wh_conf_check(conf, err);
    }

    if (rc == WH_OK) {
        rc = wh_client_check(conf, err);
    }

    return rc;
}


/* Walks the arguments: once for -c and -t, once more for the keys. */

static int
wh_main_args(wh_args_t *args, wh_conf_t *conf, int argc, char *const argv[],
    int keys, wh_error_t *err)
{
    int  i, rc;

    for (i = 1; i < argc; i++) {

        if (strcmp(argv[i], "-t") == 0) {
            args->test = 1;

        } else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            args->file = argv[++i];

        } else if (strncmp(argv[i], "--", 2) == 0
                   && strchr(argv[i], '=') != NULL)
        {
            rc = keys ? wh_main_key(conf, argv[i] + 2, err) : WH_OK;
            if (rc != WH_OK) {
                return rc;
            }

        } else {
            return wh_error_set(err, WH_ERROR, "invalid argument \"%s\", see "
                                "--help", argv[i]);
        }
    }

    return WH_OK;
}


static int
wh_main_key(wh_conf_t *conf, const char *arg, wh_error_t *err)
{
    int          rc;
    char        *key;
    const char  *equals;

    equals = strchr(arg, '=');

    key = strndup(arg, (size_t) (equals - arg));
    if (key == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    rc = wh_conf_set(conf, key, equals + 1, err);
    free(key);

    return rc;
}


static int
wh_main_start(const wh_conf_t *conf, wh_error_t *err)
{
    if (wh_log_open(conf->log, err) != WH_OK) {
        return WH_ERROR;
    }

    return wh_signal_init(err);
}


static void
wh_main_help(void)
{
    printf("usage: warehouse-consumer [-c FILE] [-t] [-V] [--help] "
           "[--KEY=VALUE ...]\n\n"
           "  -c FILE  configuration file, \"key = value\" lines\n"
           "           (default: " WH_DEFAULT_CONF ", if it is there)\n"
           "  -t       check the configuration and exit\n"
           "  -V       show versions and exit\n\n"
           "keys, in the file or as arguments:\n");
    wh_conf_help(stdout);
}
