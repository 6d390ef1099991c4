/*
 * One process for each database: the lock beside it, and the pid file.
 */

#ifndef WH_INSTANCE_H
#define WH_INSTANCE_H

#include "conf/conf.h"
#include "wh_error.h"


typedef struct {
    int          lock;        /* descriptor; -1: not held */
    const char  *pid_file;    /* written by us; NULL: none */
} wh_instance_t;


/*
 * Takes the lock "<database>.lock", which goes with the process however it
 * ends, then writes the pid file.  WH_OK; WH_ERROR: another process works on
 * the database, or a file cannot be written.  wh_instance_release() is due in
 * both cases.
 */
int wh_instance_claim(wh_instance_t *instance, const wh_conf_t *conf,
    wh_error_t *err);
void wh_instance_release(wh_instance_t *instance);


#endif
