#!/usr/bin/env python3
"""The documents of the API are valid, their examples too, and they speak of
what there is."""

import copy
import os
import re
import unittest

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import ValidationError
from pydantic_asyncapi.v3 import AsyncAPI
import yaml

import stack

ROOT = stack.ROOT


def load(name):
    with open("%s/api/%s" % (ROOT, name)) as f:
        return yaml.safe_load(f)


def nodes(node, path="#"):
    yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes(child, "%s/%s" % (path, str(key).replace("~", "~0").replace("/", "~1")))


def validator(document, schema):
    """Of a schema within a document."""
    return Draft202012Validator({"components": document["components"], "allOf": [schema]})


def at(document, reference):
    for key in reference.split("/")[1:]:
        document = document[key.replace("~1", "/").replace("~0", "~")]
    return document


def bad_examples(document):
    """[(where, why)] of examples that their own schemas refuse."""
    found = []
    for path, node in nodes(document):
        if not isinstance(node, dict):
            continue
        schema = node.get("schema") or node.get("payload")
        if schema is None and "type" in node and "/schemas/" in path:
            schema = node
        if schema is None:
            continue
        examples = [node["example"]] if "example" in node else []
        more = node.get("examples", {})
        examples += [e["value"] for e in more.values()] if isinstance(more, dict) \
            else [e["payload"] for e in more]
        for example in examples:
            found += [(path, e.message) for e in validator(document, schema).iter_errors(example)]
    return found


def dangling(document):
    found = []
    for path, node in nodes(document):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                at(document, node["$ref"])
            except (KeyError, TypeError):
                found.append((path, node["$ref"]))
    return found


def asyncapi_trouble(document):
    """What AsyncAPI 3.0 does not allow, as a text; None: nothing."""
    document = copy.deepcopy(document)
    for message in document["components"]["messages"].values():
        # the models have none for Kafka: a key's schema is all there is
        kafka = message.get("bindings", {}).pop("kafka", {})
        Draft202012Validator.check_schema(kafka.get("key", {}))
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for name, operation in document["operations"].items():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            if not message["$ref"].startswith(channel + "/messages/"):
                return "%s: a message that is not its channel's" % name
    try:
        AsyncAPI.model_validate(document)
    except ValidationError as e:
        return str(e)
    return None


class Documents(unittest.TestCase):

    def test_openapi(self):
        document = load("openapi.yaml")
        OpenAPIV31SpecValidator(document).validate()
        self.assertEqual(document["openapi"][:4], "3.1.")
        self.assertEqual((dangling(document), bad_examples(document)), ([], []))

    def test_asyncapi(self):
        document = load("asyncapi.yaml")
        self.assertEqual(document["asyncapi"], "3.0.0")
        self.assertIsNone(asyncapi_trouble(document))
        self.assertEqual((dangling(document), bad_examples(document)), ([], []))

    def test_checks(self):
        """What the checks above are there for they find."""
        document = load("asyncapi.yaml")
        for change in (lambda d: d["operations"]["notify"].update(action="shout"),
                       lambda d: d["info"].pop("title"),
                       lambda d: d["operations"]["notify"].update(
                           messages=[{"$ref": "#/channels/commands/messages/command"}])):
            broken = copy.deepcopy(document)
            change(broken)
            self.assertIsNotNone(asyncapi_trouble(broken))
        broken = copy.deepcopy(document)
        broken["components"]["messages"]["command"]["examples"][0]["payload"]["qty"] = 0
        broken["components"]["messages"]["command"]["payload"]["$ref"] += "s"
        self.assertEqual(len(dangling(broken)), 1)
        broken["components"]["messages"]["command"]["payload"]["$ref"] = "#/components/schemas/command"
        self.assertEqual(len(bad_examples(broken)), 1)
        document = load("openapi.yaml")
        document["components"]["schemas"]["Item"]["example"]["qty"] = -1
        self.assertEqual(len(bad_examples(document)), 1)

    def test_versions(self):
        with open(ROOT + "/common/wh_version.h") as f:
            version = re.search(r'WH_VERSION\s+"([^"]+)"', f.read())[1]
        for name in "openapi.yaml", "asyncapi.yaml":
            self.assertEqual(load(name)["info"]["version"], version, name)

    def test_problems(self):
        """The document and the reference tell of the same statuses."""
        document = load("openapi.yaml")
        declared = {int(status) for path in document["paths"].values()
                    for operation in path.values() for status in operation["responses"]}
        with open(ROOT + "/docs/http.md") as f:
            table = f.read().split("## Errors")[1]
        told = {int(s) for row in re.findall(r"(?m)^\| ([\d, ]+) \|", table) for s in row.split(",")}
        self.assertEqual({s for s in declared if s >= 400} - {403}, told)

    def test_page(self):
        """The page asks for nothing from anywhere else, and has no script of its own."""
        built = ROOT + "/build/docs/"
        with open(ROOT + "/api/index.html") as f:
            page = f.read()
        with open(ROOT + "/api/docs.js") as f:
            script = f.read()
        self.assertEqual(re.findall(r"https?:|//\w", page + script.split("\n", 3)[3]), [])
        self.assertEqual(re.findall(r"<script>|<style|\son\w+=|style=", page), [])
        for name in re.findall(r'(?:src|href)="([^"]+)"', page) + ["openapi.yaml", "asyncapi.yaml"]:
            self.assertTrue(os.path.getsize(built + name), name)


if __name__ == "__main__":
    stack.main()
