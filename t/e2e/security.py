#!/usr/bin/env python3
"""TLS, certificates and passwords between the programs and a broker: what
docs/security.md shows works, what is wrong is told, and mended without a
loss; secrets are found nowhere."""

import contextlib
import os
import subprocess

import secure
import stack
from secure import MECHANISM, Case

SASL = {"security.protocol": "sasl_ssl", "sasl.mechanism": MECHANISM}


class Ways(Case):
    """The examples of the documentation, with the least ACLs."""

    def example(self, heading, listener, **files):
        """Runs it with these files, users and topics in place of its own;
        librdkafka tells everything it does."""
        s = self.s
        both = [{name: self.instead(value, files) for name, value in snippet.items()}
                for snippet in self.docs.snippets(heading)]
        for properties in both:
            self.assertEqual(properties.pop("bootstrap.servers")[:7], "kafka1:")
            if "sasl.mechanism" in properties:
                self.assertEqual(properties["sasl.mechanism"], "SCRAM-SHA-512")
                properties.update(SASL)
        s.rejections = "rejections-" + s.id
        self.start(listener, *({**properties, "debug": "all"} for properties in both),
                   level="debug")
        self.works()
        s.produce(["no command"])
        s.wait_caught_up()
        self.works()
        for lines in (s.logged("kafka: CONF: "), self.nginx_lines("[debug]", "kafka: ")):
            self.assertGreater(len(lines), 10)

    def instead(self, value, files):
        named = {"nginx": self.nginx, "warehouse": self.daemon, **files}
        if value.startswith("/"):
            return named[value]
        return named.get(value, value)

    def tls(self):
        self.hide(secure.secret())         # there is none to be found
        self.example("TLS", "TLS", **{"/etc/warehouse/ca.pem": self.broker.authority.certificate})

    def mutual(self):
        files = {"/etc/warehouse/ca.pem": self.broker.authority.certificate}
        for who, name, user, folder in [("nginx", self.nginx, "root", "/etc/nginx/"),
                                        ("daemon", self.daemon, "nobody", "/etc/warehouse/")]:
            passphrase = self.hide(secure.secret())
            certificate, key = self.certify(who, user, name, passphrase=passphrase)
            files.update({
                folder + "kafka.pem": certificate, folder + "kafka.key": key,
                folder + "kafka.passphrase": self.keep(who + ".phrase", passphrase + "\n",
                                                       user=user)})
        self.allow(self.ours(self.docs.acls(), "CN=%s"))
        self.example("Mutual TLS", "MUTUAL", **files)

    def sasl(self, listener="SASL"):
        self.allow(self.ours(self.docs.acls()))
        self.example("SASL", listener, **{
            "/etc/warehouse/ca.pem": self.broker.authority.certificate,
            "/etc/nginx/kafka.password":
                self.keep("nginx.password", self.password(self.nginx) + "\n", user="root"),
            "/etc/warehouse/kafka.password":
                self.keep("daemon.password", self.password(self.daemon), user="nobody")})

    def sasl_that_ends(self):
        """The broker closes what does not authenticate again."""
        self.sasl("SHORT")
        until = stack.time.monotonic() + 2.5 * self.broker.SESSION
        n = 0
        while stack.time.monotonic() < until:
            self.assertEqual(self.post(), 200)
            n += 1
            stack.time.sleep(0.05)
        self.works()

    def test_each(self):
        self.side_by_side({"TLS": Ways.tls, "mutual TLS": Ways.mutual, "SASL": Ways.sasl,
                           "SASL that ends": Ways.sasl_that_ends})


if __name__ == "__main__":
    stack.main()
