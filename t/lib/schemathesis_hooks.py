"""What JSON Schema cannot say of api/openapi.yaml: see docs/http.md."""

import json

import schemathesis


def sku(text):
    """A sku has up to 255 bytes, whatever the number of its characters."""
    return isinstance(text, str) and len(text.encode(errors="surrogatepass")) <= 255


def apart(query):
    """sku goes with no other parameter."""
    return "sku" not in query or len(query) == 1


@schemathesis.hook
def filter_body(context, body):
    """Nor is there a U+0000 or half a character anywhere."""
    try:
        text = json.dumps(body, ensure_ascii=False)
        text.encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return "\\u0000" not in text and not (isinstance(body, dict) and isinstance(body.get("sku"), str)
                                          and not sku(body["sku"]))


@schemathesis.hook
def filter_query(context, query):
    values = [v for value in (query or {}).values() for v in (value if isinstance(value, list) else [value])]
    return apart(query or {}) and all(sku(v) for v in values if isinstance(v, str))


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    """nginx resolves what looks like a folder before it chooses a location."""
    value = (path_parameters or {}).get("sku")
    return not isinstance(value, str) or sku(value) and not {".", "..", ""} & set(value.split("/"))


@schemathesis.hook
def filter_case(context, case):
    """nginx itself refuses TRACE, everywhere, and tells no methods.  One sku is a
    list of one."""
    return case.method.upper() != "TRACE" and not isinstance((case.query or {}).get("sku"), str)
