#include "doctor/doctor.h"
#include "doctor/internal.h"
#include "kafka/client.h"

#include <string.h>


int
wh_doctor_run(const wh_doctor_args_t *args, const wh_conf_t *conf,
    wh_found_t *worst, wh_error_t *err)
{
    int          rc;
    wh_doctor_t  d;

    memset(&d, 0, sizeof(wh_doctor_t));

    d.args = args;
    d.conf = conf;
    d.notified = -1;

    rc = wh_report_start(&d.report, args->json, err);
    if (rc != WH_OK) {
        return rc;
    }

    wh_doctor_host(&d);
    wh_doctor_database(&d);
    wh_doctor_access(&d);

    if (!d.unusable && wh_doctor_brokers(&d)) {
        wh_doctor_topics(&d);
        wh_doctor_group(&d);
    }

    wh_client_close(d.rk);
    wh_positions_free(&d.next);

    return wh_report_end(d.report, worst, err);
}


int
wh_doctor_misconfigured(const wh_doctor_args_t *args, const wh_error_t *why,
    wh_found_t *worst, wh_error_t *err)
{
    int           rc;
    wh_report_t  *report;

    rc = wh_report_start(&report, args->json, err);
    if (rc != WH_OK) {
        return rc;
    }

    wh_report(report, WH_FOUND_ERROR, "configuration", NULL, "%s", why->text);

    return wh_report_end(report, worst, err);
}
