#!/usr/bin/env python3
"""The documentation holds what it is for: every directive, variable and key,
and no link to nowhere."""

import glob
import os
import re
import subprocess

import stack


def read(path):
    with open(stack.ROOT + "/" + path) as f:
        return f.read()


def anchor(heading):
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class Docs(stack.unittest.TestCase):

    def test_directives(self):
        source = "".join(read(os.path.relpath(path, stack.ROOT)) for path in
                         sorted(glob.glob(stack.ROOT + "/ngx_http_warehouse_module/*.c")))
        names = re.findall(r'ngx_string\("(warehouse_\w+)"\),\s*NGX_', source)
        self.assertIn("warehouse_items", names)
        text = read("docs/http.md")
        for name in names:
            self.assertIn("**`%s`**" % name, text)
        names = re.findall(r'ngx_string\("(warehouse_\w+)"\), NULL,', source)
        self.assertIn("warehouse_position", names)
        for name in names:
            self.assertIn("`$%s`" % name, text)

    def test_keys(self):
        """What --help prints: subcommands and keys."""
        r = subprocess.run([stack.BUILD + "/warehouse-consumer", "--help"], check=True,
                           stdout=subprocess.PIPE, text=True)
        parts = {"subcommands:": [], "keys,": []}
        part = None
        for line in r.stdout.splitlines():
            if line and not line.startswith(" "):
                part = parts.get(line.split()[0])
            elif re.match(r"  \w", line) and part is not None:
                part.append(line.split()[0])
        subcommands, keys = parts.values()
        self.assertIn("run", subcommands)
        self.assertIn("batch_size", keys)
        text = read("docs/daemon.md")
        for name in subcommands:
            self.assertIn("`%s`" % name, text)
        for key in keys:
            self.assertIn("\n| `%s` | " % key, text)

    def test_version(self):
        version, = re.findall(r'#define WH_VERSION +"(.+)"', read("common/wh_version.h"))
        self.assertEqual(re.search(r"(?m)^## ([0-9.]+)", read("CHANGES.md")).group(1),
                         version)
        self.assertTrue(read("debian/changelog").startswith("warehouse (%s-" % version))
        labels = re.findall(r'image\.version="(.+)"', read("Dockerfile"))
        self.assertEqual(labels, [version] * 2)

    def test_links(self):
        paths = sorted(os.path.relpath(path, stack.ROOT) for folder in ("", "*/")
                       for path in glob.glob(stack.ROOT + "/" + folder + "*.md"))
        self.assertIn("README.md", paths)
        for path in paths:
            for target in re.findall(r"\]\(([^)]+)\)", read(path)):
                if re.match(r"\w+:", target):
                    continue
                name, _, part = target.partition("#")
                name = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                with self.subTest(path + ": " + target):
                    self.assertTrue(os.path.exists(stack.ROOT + "/" + name))
                    if part:
                        self.assertIn(part, [anchor(h) for h in
                                             re.findall(r"^#+ (.*)", read(name), re.M)])

    def test_names(self):
        """ARCHITECTURE.md names functions and types that there are; the steps
        of the model stand in the first column of its table."""
        code = "".join(read(os.path.relpath(path, stack.ROOT)) for pattern in
                       ("common/*.[ch]", "consumer/**/*.[ch]", "ngx_http_warehouse_module/*.[ch]")
                       for path in glob.glob(stack.ROOT + "/" + pattern, recursive=True))
        text, model = read("ARCHITECTURE.md").split("| step | code |")
        model, rest = model.split("\n\n", 1)
        model = re.sub(r"(?m)^\|[^|]*\|", "", model)
        names = set(re.findall(r"\b(?:wh|ngx_http_warehouse)_\w*[a-z0-9]\b(?!\.)",
                               text + model + rest))
        self.assertGreater(len(names), 80)
        self.assertEqual(sorted(names - set(re.findall(r"\w+", code))), [])

    def test_how_many_steps(self):
        """docs/guarantees.md counts the failpoints."""
        table = re.search(r"wh_fail_points\[\] = \{(.*?)\};", read("consumer/base/fail.c"), re.S)
        n = len(re.findall(r'"\w+"', table[1]))
        self.assertGreater(n, 20)
        text = read("docs/guarantees.md")
        self.assertIn("at each of %d steps of" % n, text)
        self.assertIn("| %d steps; " % (n - 3), text)     # not the three of the stop


if __name__ == "__main__":
    stack.main()
