#!/usr/bin/env python3
"""The rooms of the tree: includes and calls go one way, files and functions
stay short."""

import glob
import os
import re
import subprocess

import stack

# each knows those before it; files at the top of consumer/ know all
ROOMS = ["base", "conf", "store", "ledger", "kafka", "follow", "session", "doctor", "verify", ""]
FILE, FUNCTION = 500, 60       # lines
WHY = re.compile(r"[Ll]onger than usual, because ")


def sources(*patterns):
    return sorted(os.path.relpath(path, stack.ROOT) for pattern in patterns
                  for path in glob.glob(stack.ROOT + "/" + pattern))


def lines(path):
    with open(stack.ROOT + "/" + path) as f:
        return f.read().split("\n")


def circles(graph):
    """The sets of nodes that can reach each other (Tarjan's, by depth)."""
    reach = {}
    for node in graph:
        seen, todo = set(), list(graph[node])
        while todo:
            n = todo.pop()
            if n not in seen:
                seen.add(n)
                todo += graph.get(n, ())
        reach[node] = seen
    return sorted({tuple(sorted(m for m in reach[n] if n in reach.get(m, ())))
                   for n in graph if n in reach[n]})


def functions(text):
    """The name, first line and length of each function, and the lines before."""
    start = None
    for i, line in enumerate(text):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = start
            while head and text[head - 1].strip() and not text[head - 1].startswith("}"):
                head -= 1
            name = next((m[1] for m in (re.match(r"(\w+)\(", one) for one in text[head:start])
                         if m), None)
            if name:
                yield name, i - start - 1, "\n".join(text[max(0, head - 30):start])
            start = None


def calls(folder):
    """Which object needs which other one, by their symbols; but for the one by
    which every part of an nginx module finds its configuration."""
    defined, needed = {}, {}
    for path in glob.glob(folder + "/**/*.o", recursive=True):
        name = os.path.relpath(path, folder)[:-2]
        if not os.path.exists(stack.ROOT + "/" + name + ".c"):
            continue             # of a source that is gone
        out = subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            kind, symbol = line.split()[-2:]
            if symbol == "ngx_http_warehouse_module":
                continue
            if kind in "TDBRC":
                defined[symbol] = name
            elif kind == "U":
                needed.setdefault(name, set()).add(symbol)
    return {name: {defined[s] for s in symbols if s in defined and defined[s] != name}
            for name, symbols in needed.items()}


class Rooms(stack.unittest.TestCase):

    def test_includes_go_one_way(self):
        wrong = []
        for path in sources("consumer/*.[ch]", "consumer/*/*.[ch]"):
            room = os.path.dirname(path[len("consumer/"):])
            for name in re.findall(r'^#include "([^"]+)"', "\n".join(lines(path)), re.M):
                if (not name.startswith("wh_")
                        and ROOMS.index(os.path.dirname(name)) > ROOMS.index(room)):
                    wrong.append((path, name))
        self.assertEqual(wrong, [])

    def test_common_knows_neither_nginx_nor_kafka(self):
        for path in sources("common/*.[ch]"):
            for name in re.findall(r"^#include [<\"]([^>\"]+)", "\n".join(lines(path)), re.M):
                self.assertNotRegex(name, r"ngx_|rdkafka|^(base|conf|store|ledger|kafka|follow|session|doctor)/", path)

    def test_no_circles_of_includes(self):
        graph = {}
        for path in sources("consumer/**/*.h", "consumer/*.h", "common/*.h",
                            "ngx_http_warehouse_module/*.h"):
            name = path[len("consumer/"):] if path.startswith("consumer/") else os.path.basename(path)
            graph[name] = set(re.findall(r'^#include "([^"]+)"', "\n".join(lines(path)), re.M))
        self.assertGreater(len(graph), 40)
        self.assertEqual(circles(graph), [])

    def test_no_circles_of_calls(self):
        for folder in ("/obj", "/nginx/objs/addon"):
            with self.subTest(folder):
                graph = calls(stack.BUILD + folder)
                self.assertGreater(len(graph), 10)
                self.assertEqual(circles(graph), [])

    def test_lengths(self):
        long = []
        for path in sources("consumer/**/*.[ch]", "consumer/*.[ch]", "common/*.[ch]",
                            "ngx_http_warehouse_module/*.[ch]"):
            text = lines(path)
            if len(text) - 1 > FILE and not WHY.search("\n".join(text[:20])):
                long.append((path, len(text) - 1))
            long += [(path, name, length) for name, length, before in functions(text)
                     if length > FUNCTION and not WHY.search(before)]
        self.assertEqual(long, [])


class Checks(stack.unittest.TestCase):
    """The checks themselves can object."""

    def test_circles(self):
        self.assertEqual(circles({"a": {"b"}, "b": {"c"}, "c": set()}), [])
        self.assertEqual(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}),
                         [("a", "b", "c")])

    def test_functions(self):
        text = ["/* Head. */", "", "static int", "f(int a,", "    int b)", "{", "    x();", "",
                "    y();", "}", "", "struct s {", "    int x;", "};"]
        self.assertEqual([f[:2] for f in functions(text)], [("f", 3)])


if __name__ == "__main__":
    stack.main()
