/*
 * warehouse-consumer: arguments, configuration, start.
 */

#include <inttypes.h>
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
#include "doctor/doctor.h"
#include "kafka/client.h"
#include "verify/verify.h"
#include "daemon.h"
#include "wh_version.h"


#define WH_DEFAULT_CONF  "/etc/warehouse/consumer.conf"


typedef struct {
    const char  *file;         /* the default if it is there; NULL: none */
    int          test;         /* -t */
    const char  *user;         /* -u, doctor's */
    int          json;         /* --json, the same */
} wh_args_t;


/* What the program can be asked to do. */

typedef struct {
    const char  *name;
    int        (*run)(const wh_args_t *args, const wh_conf_t *conf);
    int        (*misconfigured)(const wh_args_t *args, const wh_error_t *why);
    const char  *help;
} wh_subcommand_t;


static const wh_subcommand_t *wh_main_find(int argc, char *const argv[]);
static int wh_main_args(wh_args_t *args, wh_conf_t *conf, int argc,
    char *const argv[], int keys, wh_error_t *err);
static int wh_main_key(wh_conf_t *conf, const char *arg, wh_error_t *err);
static int wh_main_configure(wh_args_t *args, wh_conf_t *conf, int argc,
    char *const argv[], wh_error_t *err);
static int wh_main_run(const wh_args_t *args, const wh_conf_t *conf);
static int wh_main_test(const wh_args_t *args, const wh_conf_t *conf);
static int wh_main_doctor(const wh_args_t *args, const wh_conf_t *conf);
static int wh_main_doctor_misconfigured(const wh_args_t *args,
    const wh_error_t *why);
static void wh_main_doctor_args(const wh_args_t *args, wh_doctor_args_t *to);
static int wh_main_misconfigured(const wh_args_t *args, const wh_error_t *why);
static int wh_main_verify(const wh_args_t *args, const wh_conf_t *conf);
static int wh_main_optional(wh_args_t *args, const wh_subcommand_t *subcommand,
    wh_error_t *err);
static int wh_main_start(const wh_conf_t *conf, wh_error_t *err);
static int wh_main_version(void);
static int wh_main_help(void);


/* the first is what is done unless something else is asked for */

static const wh_subcommand_t  wh_main_subcommands[] = {
    { "run", wh_main_run, wh_main_misconfigured,
      "process commands until asked to stop" },
    { "test", wh_main_test, wh_main_misconfigured,
      "check the configuration and exit, as with -t" },
    { "doctor", wh_main_doctor, wh_main_doctor_misconfigured,
      "look for what is wrong, and say how to mend it; changes nothing" },
    { "verify", wh_main_verify, wh_main_misconfigured,
      "compare the database with all of notifications; changes nothing" },
};

#define WH_MAIN_N  (sizeof(wh_main_subcommands)                               \
                    / sizeof(wh_main_subcommands[0]))


int
main(int argc, char *const argv[])
{
    int                     rc, status;
    wh_conf_t               conf;
    wh_args_t               args;
    wh_error_t              err;
    const wh_subcommand_t  *subcommand;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return wh_main_help();
    }

    if (argc == 2 && strcmp(argv[1], "-V") == 0) {
        return wh_main_version();
    }

    wh_fail_init();

    subcommand = wh_main_find(argc, argv);

    if (subcommand != NULL) {
        argc--;
        argv++;

    } else {
        subcommand = &wh_main_subcommands[0];
    }

    memset(&args, 0, sizeof(args));

    rc = wh_main_configure(&args, &conf, argc, argv, &err);

    if (rc == WH_OK) {
        rc = wh_main_optional(&args, subcommand, &err);
    }

    /* doctor finds it by itself, and goes on */

    if (rc == WH_OK && (args.test || subcommand->run != wh_main_doctor)) {
        rc = wh_client_check(&conf, &err);
    }

    if (rc != WH_OK) {
        status = subcommand->misconfigured(&args, &err);

    } else if (args.test) {
        status = wh_main_test(&args, &conf);

    } else {
        status = subcommand->run(&args, &conf);
    }

    wh_conf_free(&conf);

    return status;
}


/* NULL: the first argument is none. */

static const wh_subcommand_t *
wh_main_find(int argc, char *const argv[])
{
    size_t  i;

    for (i = 0; argc > 1 && i < WH_MAIN_N; i++) {
        if (strcmp(argv[1], wh_main_subcommands[i].name) == 0) {
            return &wh_main_subcommands[i];
        }
    }

    return NULL;
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

    if (args->file == NULL && access(WH_DEFAULT_CONF, F_OK) == 0) {
        args->file = WH_DEFAULT_CONF;
    }

    if (rc == WH_OK && args->file != NULL) {
        rc = wh_conf_read(conf, args->file, err);
    }

    if (rc == WH_OK) {
        rc = wh_main_args(args, conf, argc, argv, 1, err);
    }

    return (rc == WH_OK) ? wh_conf_check(conf, err) : rc;
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

        } else if (strcmp(argv[i], "--json") == 0) {
            args->json = 1;

        } else if (strcmp(argv[i], "-u") == 0 && i + 1 < argc) {
            args->user = argv[++i];

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


/* What one subcommand knows alone. */

static int
wh_main_optional(wh_args_t *args, const wh_subcommand_t *subcommand,
    wh_error_t *err)
{
    if (subcommand->run != wh_main_doctor
        && (args->json || args->user != NULL))
    {
        return wh_error_set(err, WH_ERROR, "invalid argument \"%s\": it is "
                            "doctor's", args->json ? "--json" : "-u");
    }

    return WH_OK;
}


static int
wh_main_misconfigured(const wh_args_t *args, const wh_error_t *why)
{
    (void) args;

    wh_log(WH_LOG_ERROR, "%s", why->text);

    return WH_EXIT_CONF;
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

    /* every user of the machine sees the arguments */

    rc = wh_conf_secret(key)
         ? wh_error_set(err, WH_ERROR, "\"%s\" may not be an argument, which "
                        "others can see: use the configuration file, or "
                        "\"%s_file\"", key, key)
         : wh_conf_set(conf, key, equals + 1, err);
    free(key);

    return rc;
}


static int
wh_main_run(const wh_args_t *args, const wh_conf_t *conf)
{
    wh_error_t  err;

    (void) args;

    if (wh_main_start(conf, &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
        return WH_EXIT_CONF;
    }

    wh_log(WH_LOG_NOTICE, "warehouse-consumer/%s started, process %d",
           WH_VERSION, (int) getpid());

    return wh_daemon_run(conf);
}


static int
wh_main_start(const wh_conf_t *conf, wh_error_t *err)
{
    if (wh_log_open(conf->log, err) != WH_OK) {
        return WH_ERROR;
    }

    return wh_signal_init(err);
}


static int
wh_main_test(const wh_args_t *args, const wh_conf_t *conf)
{
    (void) conf;

    fprintf(stderr, "configuration file %s test is successful\n",
            args->file ? args->file : WH_DEFAULT_CONF);

    return WH_EXIT_OK;
}


static int
wh_main_doctor(const wh_args_t *args, const wh_conf_t *conf)
{
    wh_error_t        err;
    wh_found_t        worst;
    wh_doctor_args_t  doctor;

    wh_main_doctor_args(args, &doctor);

    if (wh_doctor_run(&doctor, conf, &worst, &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
        return WH_EXIT_ERROR;
    }

    return (worst == WH_FOUND_ERROR) ? WH_EXIT_ERROR : WH_EXIT_OK;
}


static int
wh_main_doctor_misconfigured(const wh_args_t *args, const wh_error_t *why)
{
    wh_error_t        err;
    wh_found_t        worst;
    wh_doctor_args_t  doctor;

    wh_main_doctor_args(args, &doctor);

    if (wh_doctor_misconfigured(&doctor, why, &worst, &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
    }

    return WH_EXIT_CONF;
}


static void
wh_main_doctor_args(const wh_args_t *args, wh_doctor_args_t *to)
{
    to->file = args->file;
    to->user = args->user;
    to->json = args->json;
}


static int
wh_main_verify(const wh_args_t *args, const wh_conf_t *conf)
{
    int         rc;
    int64_t     differences;
    wh_error_t  err;

    (void) args;

    rc = wh_signal_init(&err);

    if (rc == WH_OK) {
        rc = wh_signal_by_hand(&err);
    }

    if (rc == WH_OK) {
        rc = wh_verify_run(conf, &differences, &err);
    }

    if (rc != WH_OK) {
        wh_log(WH_LOG_ERROR, "not verified: %s", err.text);
        return WH_EXIT_ERROR;
    }

    printf("%" PRId64 " difference%s\n", differences,
           differences == 1 ? "" : "s");

    if (fflush(stdout) != 0) {
        return WH_EXIT_ERROR;
    }

    return (differences == 0) ? WH_EXIT_OK : WH_EXIT_DIFFERS;
}


static int
wh_main_version(void)
{
    printf("warehouse-consumer/%s librdkafka/%s sqlite/%s\n", WH_VERSION,
           rd_kafka_version_str(), sqlite3_libversion());

    return fflush(stdout) == 0 ? WH_EXIT_OK : WH_EXIT_ERROR;
}


static int
wh_main_help(void)
{
    size_t  i;

    printf("usage: warehouse-consumer [SUBCOMMAND] [-c FILE] [-t] "
           "[--json] [-u USER] [--KEY=VALUE ...]\n"
           "       warehouse-consumer -V | --help\n\n"
           "subcommands:\n\n");

    for (i = 0; i < WH_MAIN_N; i++) {
        printf("  %-8s %s%s\n", wh_main_subcommands[i].name,
               wh_main_subcommands[i].help,
               i == 0 ? " (the default)" : "");
    }

    printf("\n  -c FILE  configuration file, \"key = value\" lines\n"
           "           (default: " WH_DEFAULT_CONF ", if it is there)\n"
           "  -t       check the configuration and exit\n"
           "  --json   doctor: what was found as a JSON object\n"
           "  -u USER  doctor: the user of nginx's workers (default: www-data)\n"
           "  -V       show versions and exit\n\n"
           "keys, in the file or as arguments:\n");
    wh_conf_help(stdout);

    return fflush(stdout) == 0 ? WH_EXIT_OK : WH_EXIT_ERROR;
}
