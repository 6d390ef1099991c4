/*
 * What the service manager is told, in systemd's protocol (sd_notify(3)).
 * Without one, or where it cannot be reached, nothing happens.
 */

#ifndef WH_MANAGER_H
#define WH_MANAGER_H


/* The service is up; it is going down. */
void wh_manager_ready(void);
void wh_manager_stopping(void);

/* One line for "systemctl status". */
void wh_manager_status(const char *text);

/* All is well: within WatchdogSec this has to be said again. */
void wh_manager_alive(void);


#endif
