/*
 * The subcommand doctor: is everything as the daemon and nginx need it, and if
 * not, what is to be done.  It changes nothing, neither files nor topics.
 */

#ifndef WH_DOCTOR_H
#define WH_DOCTOR_H

#include "conf/conf.h"
#include "doctor/report.h"
#include "wh_error.h"


typedef struct {
    const char  *file;      /* the configuration's; NULL: there is none */
    const char  *user;      /* nginx's workers'; NULL: the usual one */
    int          json;
} wh_doctor_args_t;


/*
 * Prints what was found on stdout.  WH_OK; WH_ERROR, WH_NOMEM: the report could
 * not be made or printed.
 */
int wh_doctor_run(const wh_doctor_args_t *args, const wh_conf_t *conf,
    wh_found_t *worst, wh_error_t *err);

/* The same where there is no configuration to look at, for the reason why. */
int wh_doctor_misconfigured(const wh_doctor_args_t *args,
    const wh_error_t *why, wh_found_t *worst, wh_error_t *err);


#endif
