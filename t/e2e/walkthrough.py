#!/usr/bin/env python3
"""The README's walk-through, on a fresh database, with nginx's workers and the
daemon under different users where that is possible."""

import json
import os

import stack


class Walkthrough(stack.Case):

    user = "nobody" if os.getuid() == 0 else None

    def test_walkthrough(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx(user="www-data")
        self.assertEqual(s.items(), (200, "[]"))

        for n, (action, qty) in enumerate([("increase", 10), ("increase", 10), ("decrease", 4)]):
            status, headers, body = s.post(action, "SKU123", qty)
            self.assertEqual((status, body), (200, '{"status":"accepted"}'))
            self.assertEqual(headers["Content-Type"], "application/json")
            self.assertEqual(headers["Warehouse-Position"], "0:%d" % n)

        expected = (200, '[{"sku":"SKU123","qty":16}]')
        stack.wait(lambda: s.items() == expected, "the stock of 16")

        status, _, body = s.post("decrease", "SKU123", 100)
        self.assertEqual((status, body), (200, '{"status":"accepted"}'))
        stack.wait(lambda: s.logged("Refused: "), "the refusal")
        self.assertEqual(s.items(), expected)

        status, headers, body = s.post("increase", "SKU123", -5)
        self.assertEqual((status, headers["Content-Type"]), (422, "application/problem+json"))
        self.assertEqual(json.loads(body)["pointer"], "#/qty")

        self.check()
        stocks = [json.loads(r.value)["stock"] for r in s.read(s.notifications)]
        self.assertEqual(stocks, [10, 20, 16])

        lines = [line.split("] ", 1)[1] for line in s.lines() if "position=" in line]
        command = '{"action":"%s","sku":"SKU123","qty":%d}'
        self.assertEqual(lines, [
            "Processed and notified: %s stock=10 version=1 position=0:0"
            % (command % ("increase", 10)),
            "Processed and notified: %s stock=20 version=2 position=0:1"
            % (command % ("increase", 10)),
            "Processed and notified: %s stock=16 version=3 position=0:2"
            % (command % ("decrease", 4)),
            "Refused: %s reason=insufficient_stock stock=16 position=0:3"
            % (command % ("decrease", 100)),
        ])


if __name__ == "__main__":
    stack.main()
