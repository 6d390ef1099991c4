#!/usr/bin/env python3
"""Compares the C decoder of commands with an independent one in Python.

differential.py [SEED [INPUTS]]: generates inputs of several kinds, judges each
here and in build/unit/decode, and prints TAP: one test a kind.
"""

import json
import os
import random
import re
import subprocess
import sys

import command

SEED = 20251122
INPUTS = 20000

MAX_DEPTH = command.DEPTH
MAX_QTY = command.MAX
MAX_SKU = 255


# The judge: the rules as t/lib/command.py has them.

def judge(data):
    """The line that decode has to print for data."""
    try:
        c = command.decode(data)
    except command.NotJSON:
        return "400"
    except command.NotCommand:
        return "422"
    expected = [-1 if n is None else n for n in (c.expected_version, c.expected_qty)]
    reference = "-" if c.reference is None else "." + c.reference.encode().hex()
    return f"ok {c.action} {c.qty} {expected[0]} {expected[1]} {c.sku.encode().hex()} {reference}"


# The generators: each makes one input, as bytes, out of a random.Random.

SKU_CHARS = ["A", "7", "-", " ", "/", "~", "é", "ß", "€", "한", "😀", "\u00a0",
             "\u2028", "\ufeff", "\uffff", "\U0010ffff", "\ud7ff", "\ue000",
             "\"", "\\"]
BAD_CHARS = ["\x01", "\t", "\n", "\x1f", "\x7f", "\x80", "\x85", "\x9f"]

BYTES = [bytes([b]) for b in range(256)] + 8 * [
    bytes([b]) for b in b"{}[]:,\"\\ue0123456789+-.E \t\r\n\0"]

TOKENS = [b"{", b"}", b"[", b"]", b":", b",", b"\"", b"\"\"", b"''", b"null",
          b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"nan", b"0",
          b"-", b"1.", b".5", b"+1", b"01", b"1e", b"0x1", b"\"qty\"",
          b"\"sku\"", b"\"action\"", b"\"increase\"", b"\"qt\\u0079\"",
          b"\"\\ud800\"", b"\"\\udc00\"", b"\"\\u0000\"", b"\"\\x41\"",
          b"\"\t\"", b"\xef\xbb\xbf", b"\xc2\xa0", b"\0", b"//", b"/**/", b" ",
          b"\n", b"\v", b"\f", b"1e400", b"[[]]", b"{}"]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+|\w+|\s+|.', re.S)

SEQUENCES = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2",
             b"\xc2\x41", b"\xc2\xc2\x80", b"\xdf\xbf", b"\xe0\x80\x80",
             b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xe1\x80", b"\xe2\x82",
             b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
             b"\xee\x80\x80", b"\xef\xbb\xbf", b"\xef\xbf\xbf",
             b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80",
             b"\xf0\x9f\x98", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
             b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
             b"\x00", b"\x1f", b"\x7f", b"\xc2\x9f", b"\xc2\xa0"]

ESCAPES = [r"\"", r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u0041",
           r"\u00e9", r"\u20AC", r"\ud83d\ude00", r"\uDBFF\uDFFF", r"\ud800",
           r"\udc00", r"\udfff\ud800", r"\ud83d\u0041", r"\ud83d\ud83d\ude00",
           r"\u0000", r"\u0001", r"\u001f", r"\u0020", r"\u007e", r"\u007f",
           r"\u0080", r"\u009f", r"\u00a0", r"\ufeff", r"\uffff", r"\uFFFE",
           r"\u", r"\u0", r"\u12", r"\u123", r"\u12g4", r"\u+041", r"\u 041",
           r"\U0041", r"\x41", r"\0", r"\a", r"\v", r"\'", "\\", "a", "é"]


def space(rnd):
    if rnd.random() < 0.7:
        return ""
    return "".join(rnd.choices(" \t\r\n", k=rnd.randrange(1, 4)))


def quote(rnd, text):
    """A JSON string, with some characters escaped that need not be."""
    out = []
    for char in text:
        if char in "\"\\" or char < " " or rnd.random() < 0.1:
            out.append(json.dumps(char)[1:-1])
            if len(out[-1]) == 1 and rnd.random() < 0.5:
                out[-1] = f"\\u{ord(char):04{rnd.choice('xX')}}"
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def write_object(rnd, fields):
    """An object of (name, JSON text) pairs, in any order and spacing."""
    rnd.shuffle(fields)
    members = (space(rnd) + quote(rnd, name) + space(rnd) + ":" + space(rnd)
               + text + space(rnd) for name, text in fields)
    return space(rnd) + "{" + ",".join(members) + "}" + space(rnd)


def a_sku(rnd):
    length = rnd.choice([1, 1, 2, 3, 6, 6, 20, 63, 85, 127, 128, 254, 255, 256])
    chars = SKU_CHARS if rnd.random() < 0.5 else SKU_CHARS[:5]
    sku = "".join(rnd.choices(chars, k=length))
    if rnd.random() < 0.8:    # mostly a valid one, often just so
        sku = sku.encode()[:MAX_SKU].decode("utf-8", "ignore")
    if rnd.random() < 0.05:
        sku += rnd.choice(BAD_CHARS)
    return sku


def digits(rnd, longest):
    return "".join(rnd.choices("0123456789", k=rnd.randrange(1, longest + 1)))


def a_number(rnd):
    """A number, or something much like one."""
    form = rnd.randrange(8)
    if form == 0:
        return str(rnd.choice([0, 1, 2**31, 2**53, 2**63, 2**64, 10**15])
                   + rnd.randrange(-2, 3))
    if form == 1:    # near the largest, just above and below the halves
        fraction = rnd.choice(["0", "25", "4", "49", "5", "50", "51", "75"])
        zeros = "0" * rnd.randrange(90)
        return f"{2**53 - rnd.randrange(4)}.{fraction}{zeros}{digits(rnd, 2)}"
    if form == 2:    # an integer, its point and its exponent moved apart
        number, shift = str(rnd.randrange(1, 10**6)), rnd.randrange(400)
        if rnd.random() < 0.5:
            return f"0.{'0' * shift}{number}e{shift + len(number)}"
        return f"{number}{'0' * shift}e-{shift}"
    if form == 3:    # about as long as cJSON can read at once
        return f"{rnd.randrange(1, 100)}.{'0' * rnd.randrange(55, 70)}"
    if form == 4:
        return f"{rnd.randrange(1, 100)}e{rnd.randrange(-3, 20)}"
    if form == 5:
        return rnd.choice(["0", "-0", "1e400", "-1e400", "1e-400", "0e9",
                           "1e99999999999", "1e-99999999999", "00", "01",
                           "-01", "1.", ".5", "-", "+1", "1e", "1e+", "1.e1",
                           "1e1.0", "--1", "0x1", "1_0", "1 0", "NaN", "nan",
                           "Infinity", "-Infinity", "inf", "1f", "\uff11",
                           "\u0661", "1\u0661", "1e\u0661", "1.\u0661"])
    number = rnd.choice(["", "", "", "-"]) + digits(rnd, 20)
    if rnd.random() < 0.4:
        number += "." + digits(rnd, 90)
    if rnd.random() < 0.4:
        number += rnd.choice("eE") + rnd.choice(["", "+", "-"]) + digits(rnd, 4)
    return number


def a_value(rnd, depth):
    """A random JSON value of at most so many levels."""
    kind = rnd.randrange(8 if depth > 0 else 5)
    if kind == 0:
        return rnd.choice(["true", "false", "null"])
    if kind == 1:
        return str(rnd.uniform(-1e6, 1e6))
    if kind == 2:
        return str(rnd.randrange(-10, 10**rnd.randrange(1, 40)))
    if kind in (3, 4):
        return quote(rnd, "".join(rnd.choices(SKU_CHARS, k=rnd.randrange(5))))
    children = [a_value(rnd, depth - 1) for _ in range(rnd.randrange(4))]
    if kind == 5:
        return "[" + ",".join(space(rnd) + child for child in children) + "]"
    names = rnd.choices(["a", "b", "qty", "sku", "é", ""], k=len(children))
    return write_object(rnd, list(zip(names, children)))


def command_fields(rnd):
    return [("action", rnd.choice(['"increase"', '"decrease"'])),
            ("sku", quote(rnd, a_sku(rnd))),
            ("qty", str(rnd.randrange(1, 10**rnd.randrange(1, 16))))]


def options(rnd):
    """Members that a command may do without, mostly valid ones."""
    fields = []
    for name in ("expected_version", "expected_qty"):
        if rnd.random() < 0.2:
            fields.append((name, rnd.choice(["0", str(rnd.randrange(10**6)), a_number(rnd)])))
    if rnd.random() < 0.2:
        text = a_sku(rnd) if rnd.random() < 0.8 else rnd.choice(["", "\x01", "\n\t\x7f", "x" * 256])
        fields.append(("reference", quote(rnd, text) if rnd.random() < 0.95 else a_value(rnd, 1)))
    return fields


def a_command(rnd):
    fields = command_fields(rnd)
    fields += options(rnd)
    for _ in range(rnd.choice([0, 0, 0, 1, 2, 5])):
        name = rnd.choice(["a", "b", "é", "", "Qty", "SKU", "comment", "x y"])
        fields.append((name, a_value(rnd, 3)))
    return write_object(rnd, fields).encode()


def mutated_bytes(rnd):
    data = bytearray(a_command(rnd))
    for _ in range(rnd.choice([1, 1, 1, 2, 4])):
        at = rnd.randrange(len(data) + 1)
        to = min(len(data), at + rnd.choice([0, 1, 1, 1, 2, 8]))
        data[at:to] = rnd.choice([b"", rnd.choice(BYTES), data[at:to] * 2])
    return bytes(data)


def mutated_tokens(rnd):
    tokens = TOKEN.findall(a_command(rnd))
    for _ in range(rnd.choice([1, 1, 2, 3])):
        at, other = rnd.randrange(len(tokens)), rnd.randrange(len(tokens))
        change = rnd.randrange(5)
        if change == 0:
            tokens[at] = rnd.choice(TOKENS)
        elif change == 1:
            tokens.insert(at, rnd.choice(TOKENS))
        elif change == 2:
            tokens.insert(at, tokens[other])
        elif change == 3:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif len(tokens) > 1:
            del tokens[at]
    return b"".join(tokens)


def random_json(rnd):
    if rnd.random() < 0.3:
        return a_value(rnd, 5).encode()
    fields = [(name, text if rnd.random() < 0.7 else a_value(rnd, 1))
              for name, text in command_fields(rnd) if rnd.random() < 0.9]
    fields += [(rnd.choice(["qty", "sku", "action", "x", "Qty"]),
                a_value(rnd, 4)) for _ in range(rnd.choice([0, 0, 1, 2]))]
    return write_object(rnd, fields).encode()


def odd_numbers(rnd):
    fields = command_fields(rnd)
    fields[2] = ("qty", a_number(rnd))
    if rnd.random() < 0.3:
        fields.append(("x", f"[{a_number(rnd)} , {a_number(rnd)}]"))
    return write_object(rnd, fields).encode()


def escapes(rnd):
    fields = command_fields(rnd)
    text = '"' + "".join(rnd.choices(ESCAPES, k=rnd.randrange(1, 4))) + '"'
    if rnd.random() < 0.6:
        fields[1] = ("sku", text)
    else:
        fields.append(("x", text if rnd.random() < 0.5 else f"{{{text}:1}}"))
    return write_object(rnd, fields).encode()


def damaged_utf8(rnd):
    data = a_command(rnd)
    sequence = b"".join(rnd.choices(SEQUENCES, k=rnd.choice([1, 1, 1, 2])))
    at = rnd.randrange(len(data) + 1)
    if rnd.random() < 0.8:    # behind a quote: at the start of a string
        at = rnd.choice([m.end() for m in re.finditer(b'"', data)])
    return data[:at] + sequence + data[at:]


def duplicates(rnd):
    fields = command_fields(rnd)
    names = ["x", "y", "é", "😀", "", "/", "qty", "Qty", "action "]
    fields += [(name, str(rnd.randrange(1, 9)))
               for name in rnd.choices(names, k=rnd.randrange(1, 4))]
    if rnd.random() < 0.3:
        fields.append(("z", '{"x":1,"x":2}'))
    return write_object(rnd, fields).encode()


def deep(rnd):
    fields = command_fields(rnd)
    levels = [rnd.choice([("[", "]"), ('{"a":', "}")])
              for _ in range(rnd.choice([1, 30, 62, 63, 64, 65, 300, 3000]))]
    text = ("".join(start for start, _ in levels) + "1"
            + "".join(end for _, end in reversed(levels)))
    if rnd.random() < 0.2:
        return text.encode()
    return write_object(rnd, fields + [("x", text)]).encode()


# kind, generator, share of the inputs

KINDS = [
    ("commands", a_command, 2),
    ("commands with changed bytes", mutated_bytes, 5),
    ("commands with changed tokens", mutated_tokens, 4),
    ("random JSON", random_json, 2),
    ("odd numbers", odd_numbers, 3),
    ("escapes", escapes, 2),
    ("damaged UTF-8", damaged_utf8, 2),
    ("duplicate names", duplicates, 1),
    ("deep nesting", deep, 0.2),
]


def decode(inputs):
    """The lines that the C program prints for the inputs."""
    root = os.environ.get("WAREHOUSE_ROOT") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..")
    data = b"".join(b"%d\n%s" % (len(i), i) for i in inputs)
    run = subprocess.run([os.path.join(root, "build", "unit", "decode")],
                         input=data, capture_output=True)
    if run.returncode != 0:
        sys.stderr.write(run.stderr.decode("utf-8", "replace"))
    return run.returncode, run.stdout.decode().splitlines()


def compare(inputs, expected):
    """Returns what decode did otherwise, as lines for people."""
    status, got = decode(inputs)
    wrong = [f"C {g!r}, Python {e!r}: {i[:2000]!r}"
             for i, e, g in zip(inputs, expected, got) if e != g]
    if status != 0 or len(got) != len(inputs):
        wrong.append(f"decode: exit {status} after {len(got)} inputs of"
                     f" {len(inputs)}")
        if len(got) < len(inputs):
            wrong.append(f"the next was {inputs[len(got)][:2000]!r}")
    return wrong


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else SEED
    count = int(sys.argv[2]) if len(sys.argv) > 2 else INPUTS
    shares = sum(share for _, _, share in KINDS)
    verdicts = dict.fromkeys(["ok", "400", "422"], 0)
    failed = 0

    print(f"# seed {seed}, {count} inputs")
    print(f"1..{len(KINDS) + 1}")

    for number, (name, generate, share) in enumerate(KINDS, 1):
        rnd = random.Random(f"{seed} {name}")
        inputs = [generate(rnd) for _ in range(round(count * share / shares))]
        expected = [judge(data) for data in inputs]
        for line in expected:
            verdicts[line.split()[0]] += 1

        wrong = compare(inputs, expected)
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {len(inputs)} {name}")
        for line in wrong[:10]:
            print(f"# {line}", file=sys.stderr)
        if len(wrong) > 10:
            print(f"# ... {len(wrong)} in all", file=sys.stderr)

    # inputs that are all of one kind would prove little

    few = min(verdicts.values()) < count / 10
    failed += few
    print(f"{'not ok' if few else 'ok'} {len(KINDS) + 1} - each verdict occurs:"
          f" {verdicts}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
