#!/usr/bin/env python3
"""Makes a copy of the tree whose module answers a POST before the brokers do:
the baseline "fire-and-forget".  forget.py FOLDER"""

import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ["Makefile", "config", "common", "ngx_http_warehouse_module", "script"]
FILE = "ngx_http_warehouse_module/ngx_http_warehouse_commands.c"

WAITS = """\
    ngx_add_timer(&wait->guard, wmcf->kafka.timeout
                                + NGX_HTTP_WAREHOUSE_GUARD);

    return NGX_DONE;
"""

FORGETS = """\
    ngx_http_warehouse_report_t  report = {
        NGX_HTTP_WAREHOUSE_PERSISTED, 0, -1
    };

    ngx_http_warehouse_forget(&wait->waiter);

    return ngx_http_warehouse_commands_accepted(r, &report);
"""


def changed(path, text):
    """Writes a file unless it is the same: make builds what is newer."""
    try:
        with open(path) as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def main(folder):
    for part in PARTS:
        top = ROOT + "/" + part
        paths = ([part] if os.path.isfile(top) else
                 [part + "/" + name for name in os.listdir(top) if os.path.isfile(top + "/" + name)])
        for path in paths:
            with open(ROOT + "/" + path) as f:
                text = f.read()
            if path == FILE:
                if text.count(WAITS) != 1:
                    raise SystemExit("bench/forget.py does not fit %s any more" % FILE)
                text = text.replace(WAITS, FORGETS)
            changed(folder + "/" + path, text)
            shutil.copymode(ROOT + "/" + path, folder + "/" + path)


if __name__ == "__main__":
    main(*sys.argv[1:])
