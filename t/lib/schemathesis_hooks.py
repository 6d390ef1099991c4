"""What JSON Schema cannot say of api/openapi.yaml (see docs/http.md), and a count
of what was tried, for the test, in the file that SCHEMATHESIS_TRIED names."""

import atexit
import collections
import json
import os
import unicodedata
import urllib.parse

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

tried = collections.Counter()


def fits(text):
    """A sku has up to 255 bytes, whatever the number of its characters, and no
    half a character."""
    try:
        return len(text.encode()) <= 255
    except UnicodeEncodeError:
        return False


def is_sku(text):
    return bool(text) and fits(text) and not any(unicodedata.category(c) == "Cc" for c in text)


def negative(case, where):
    info = case.meta and case.meta.components.get(where)
    return bool(info) and info.mode == GenerationMode.NEGATIVE


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def filter_body(context, body):
    """Nor is there a U+0000 or half a character anywhere in it."""
    try:
        text = json.dumps(body, ensure_ascii=False)
        text.encode()
    except (TypeError, UnicodeEncodeError):
        return False
    sku = body.get("sku") if isinstance(body, dict) else None
    return "\\u0000" not in text and not (isinstance(sku, str) and len(sku) <= 255 and not fits(sku))


@schemathesis.hook
def filter_case(context, case):
    # nginx itself refuses it, everywhere, and tells no methods
    if case.method.upper() == "TRACE":
        return False

    # a command a line is no JSON Schema's to say
    if case.media_type == "application/x-ndjson":
        return False

    # it is another one in the end, see before_call()
    if "Warehouse-Min-Position" in (case.headers or {}) and negative(case, ParameterLocation.HEADER):
        return False

    query = case.query or {}
    if "sku" in query:
        # goes with no other parameter; one sku, even if meant as none, is a list of one
        wire = getattr(query["sku"], "encoded", None) or urllib.parse.quote(str(query["sku"]))
        skus = [urllib.parse.unquote(s) for s in wire.split(",")]
        good = len(query) == 1 and len(skus) <= 100 and all(map(is_sku, skus))
        return good != negative(case, ParameterLocation.QUERY)

    for value in query.values():
        if isinstance(value, str) and len(value) <= 255 and not fits(value):
            return False

    # nginx resolves what looks like a folder before it chooses a location
    sku = (case.path_parameters or {}).get("sku")
    if isinstance(sku, str):
        sku = urllib.parse.unquote(sku, errors="surrogateescape")
        if {".", "..", ""} & set(sku.split("/")) or len(sku) <= 255 and not fits(sku):
            return False
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    """A position that is not there yet would be waited for in vain."""
    if "Warehouse-Min-Position" in (case.headers or {}):
        case.headers["Warehouse-Min-Position"] = "0:0"


@schemathesis.hook
def after_call(context, case, response):
    what = "skus" if "sku" in (case.query or {}) else case.operation.label
    tried["%s %d" % (what, response.status_code)] += 1


@atexit.register
def tell():
    with open(os.environ["SCHEMATHESIS_TRIED"], "w") as f:
        json.dump(tried, f)
