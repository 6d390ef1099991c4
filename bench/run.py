#!/usr/bin/env python3
"""What script/bench measures, see bench/README.md."""

import sys

import back
import follow
import front
import measure
import reads
import whole

PARTS = {
    "posts": front.posts,
    "latency": front.latency,
    "metrics": reads.metrics,
    "lists": front.lists,
    "points": reads.points,
    "formats": reads.formats,
    "changing": front.changing,
    "backlog": back.backlogs,
    "notify": back.notify,
    "follow": follow.follow,
    "whole": whole.whole,
    "partitions": whole.partitions,
    "flat": front.flat,
    "growth": back.growth,
    "start": lambda: (front.start(), back.start()),
}


def main(parts):
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        raise SystemExit("unknown: %s; there are %s" % (" ".join(unknown), " ".join(PARTS)))
    print(measure.machine(), flush=True)
    for part in parts or PARTS:
        PARTS[part]()
        measure.save()


if __name__ == "__main__":
    main(sys.argv[1:])
