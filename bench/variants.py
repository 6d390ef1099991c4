#!/usr/bin/env python3
"""Makes a copy of the tree with another module, a baseline: variants.py NAME FOLDER.
forget: it answers a POST before the brokers do.  uncounted: it has no metrics."""

import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ["Makefile", "config", "common", "ngx_http_warehouse_module", "script"]
MODULE = "ngx_http_warehouse_module/ngx_http_warehouse_"

WAITS = """\
    return ngx_http_warehouse_write_wait(write);
"""

FORGETS = """\
    ngx_http_warehouse_forget(&write->commands[0].waiter);
    write->pending = 0;

    return ngx_http_warehouse_command_accepted(r);
"""

ENTERS = """\
    /* error_page may have led here from another location of ours */
"""

# name: [(file, what is there once, what comes in its place)]
VARIANTS = {
    "forget": [(MODULE + "command.c", WAITS, FORGETS)],
    "uncounted": [
        (MODULE + "entry.c", ENTERS, "    return NGX_OK;\n"),
        (MODULE + "zone.h", "    (void) ngx_atomic_fetch_add(&ngx_http_warehouse_zone->counter, 1)", "    (void) 0"),
        (MODULE + "write.c", "        ngx_http_warehouse_write_measure(command->write);\n",
         "        (void) ngx_http_warehouse_write_measure;\n"),
        (MODULE + "kafka.c", 'ngx_string("statistics.interval.ms"), ngx_string("1000")',
         'ngx_string("statistics.interval.ms"), ngx_string("0")'),
    ],
}


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


def main(name, folder):
    for part in PARTS:
        top = ROOT + "/" + part
        paths = ([part] if os.path.isfile(top) else
                 [part + "/" + name for name in os.listdir(top) if os.path.isfile(top + "/" + name)])
        for path in paths:
            with open(ROOT + "/" + path) as f:
                text = f.read()
            for file, old, new in VARIANTS[name]:
                if path == file:
                    if text.count(old) != 1:
                        raise SystemExit("bench/variants.py does not fit %s any more" % file)
                    text = text.replace(old, new)
            changed(folder + "/" + path, text)
            shutil.copymode(ROOT + "/" + path, folder + "/" + path)


if __name__ == "__main__":
    main(*sys.argv[1:])
