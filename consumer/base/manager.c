#include "base/manager.h"

#include <systemd/sd-daemon.h>


void
wh_manager_ready(void)
{
    (void) sd_notify(0, "READY=1");
}


void
wh_manager_stopping(void)
{
    (void) sd_notify(0, "STOPPING=1");
}


void
wh_manager_status(const char *text)
{
    (void) sd_notifyf(0, "STATUS=%s", text);
}


void
wh_manager_alive(void)
{
    (void) sd_notify(0, "WATCHDOG=1");
}
