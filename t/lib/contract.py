"""Real replies against api/openapi.yaml.

As a program: reads files of replies, a JSON object on each line with method,
target, status, headers (names in lower case) and body (base64), and says which
are not as the document has them."""

import base64
import collections
import csv
import functools
import io
import json
import os
import re
import sys

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
import yaml

DOCUMENT = os.path.dirname(os.path.abspath(__file__)) + "/../../api/openapi.yaml"
ENOUGH = 20          # of one kind
SAID = {"preference-applied", "etag", "link", "allow", "vary", "retry-after", "content-range"}
LARGE = 64 * 1024    # bytes: takes seconds from here on

_seen = collections.Counter()


def csv_items(lines):
    rows = csv.reader(io.StringIO(lines, newline=""), strict=True)
    assert next(rows) == ["sku", "qty"]
    return [{"sku": sku, "qty": int(qty)} for sku, qty in rows]


def ndjson_items(lines):
    return [json.loads(line) for line in lines.removesuffix("\n").split("\n")] if lines else []


STREAM = "text/event-stream"           # of a HEAD there is no more than that
LISTS = {"application/x-ndjson": ndjson_items, "text/csv": csv_items}


@functools.cache
def document():
    return OpenAPI.from_file_path(DOCUMENT, config=Config(extra_media_type_deserializers={
        "application/problem+json": json.loads,
        "application/x-ndjson": bytes.decode,
        "text/csv": bytes.decode}))


@functools.cache
def text():
    with open(DOCUMENT) as f:
        return yaml.safe_load(f)


def resolved(node):
    """What a reference within the document stands for, or the node itself."""
    while "$ref" in node:
        where = node["$ref"].split("/")[1:]
        node = functools.reduce(lambda n, key: n[key], where, text())
    return node


def operation(method, target):
    """The path in the document, what it says of the method, and an address of
    that path; None where the path is not there."""
    path = target.partition("?")[0]
    if path.startswith("/items/") and path != "/items/":
        path, address = "/items/{sku}", "/items/x"
    elif path.startswith("/commands/") and path != "/commands/":
        path, address = "/commands/{position}", "/commands/0:0"
    else:
        address = path
    paths = text()["paths"]
    return (path, paths[path].get(method), address) if path in paths else None


def media_of(headers):
    return headers.get("content-type", "").partition(";")[0]


def trouble(method, target, status, headers, body):
    """Why a reply is not as the document has it, or None."""
    method = method.lower()
    found = operation("get" if method == "head" else method, target)
    if not found:
        return None
    path, said, address = found

    if said is None:
        # the document cannot list all methods that there are not
        if status not in (400, 405, 501) or status == 405 and "allow" not in headers:
            return "not declared, and not refused"
        return None

    if str(status) not in said["responses"]:
        return "the status is not declared"
    declared = resolved(said["responses"][str(status)])

    known = {name.lower() for name in declared.get("headers", {})}
    more = [name for name in headers if name.startswith("warehouse-") or name in SAID]
    if set(more) - known:
        return "fields that are not declared: " + ", ".join(sorted(set(more) - known))

    if media_of(headers) == STREAM or "content" not in declared or method == "head":
        for name, value in declared.get("headers", {}).items():
            pattern = resolved(resolved(value)["schema"]).get("pattern")
            if pattern and name.lower() in headers and not re.search(pattern, headers[name.lower()]):
                return "%s is not %s" % (name, pattern)
        return "a body that is not declared" if body else None

    media = media_of(headers)
    if "schema" not in declared["content"].get(media, {}):
        return None if media in declared["content"] else "the type %r is not declared" % media

    if media in LISTS:
        # a string to the document, items to whoever reads it
        items = Draft202012Validator({**text(), "$ref": "#/components/schemas/Items"})
        e = best_match(items.iter_errors(LISTS[media](body.decode())))
        if e or body == b"":
            return e and e.message  # no bytes are no items; the library wants one
    try:
        document().validate_response(
            MockRequest("http://localhost", method, address),
            MockResponse(data=body, status_code=status, headers=headers, content_type=media))
    except Exception as e:
        reasons = [x.message for x in getattr(e.__cause__, "schema_errors", [])]
        return ("%s: %s" % ("; ".join(reasons) or e.__cause__, e))[:300]
    return None


def check(method, target, status, headers, body):
    """Raises AssertionError; of many replies of one kind looks at some."""
    found = operation(method.lower(), target)
    kind = found and (found[0], method, status, headers.get("content-type"))
    _seen[kind] += 1
    if found and _seen[kind] <= ENOUGH and len(body) <= LARGE:
        why = trouble(method, target, status, headers, body)
        if why:
            raise AssertionError("%s %s: %d is not as api/openapi.yaml has it: %s, %r"
                                 % (method, target, status, why, body[:500]))


def main(files):
    n = bad = 0
    for name in files:
        with open(name) as f:
            for line in f:
                r = json.loads(line)
                n += 1
                why = trouble(r["method"], r["target"], int(r["status"]), r["headers"],
                              base64.b64decode(r["body"]))
                if why:
                    bad += 1
                    print("%s %s: %s: %s" % (r["method"], r["target"][:200], r["status"], why))
    print("%d replies, %d not as documented" % (n, bad))
    return 1 if bad or not n else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
