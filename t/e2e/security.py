#!/usr/bin/env python3
"""TLS, certificates and passwords between the programs and a broker: what
docs/security.md shows works, what is wrong is told, and mended without a
loss; secrets are found nowhere."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import secure
import stack
from kafka.admin import ConfigResource, ConfigResourceType
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

    def sasl_without_its_file(self):
        """A reload that fails changes nothing."""
        self.sasl()
        path = self.folder + "/nginx.password"
        os.unlink(path)
        self.s.nginx.send(signal.SIGHUP)
        self.nginx_told("[emerg]", path)
        self.works()

    def sasl_that_ends(self):
        """The broker closes what does not authenticate again."""
        self.sasl("SHORT")
        until = time.monotonic() + 2.5 * self.broker.SESSION
        n = 0
        while time.monotonic() < until:
            self.assertEqual(self.post(), 200)
            n += 1
            time.sleep(0.05)
        self.works()

    def test_each(self):
        cases = Ways.tls, Ways.mutual, Ways.sasl_without_its_file, Ways.sasl_that_ends
        self.side_by_side({case.__name__: case for case in cases})


class Clients(Case):
    """Topics, ACLs, and certificates for both."""

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.allow(self.ours(self.docs.acls()))
        self.allow(self.ours(self.docs.acls(), "CN=%s"))
        self.tls = {"security.protocol": "ssl",
                    "ssl.ca.location": self.broker.authority.certificate}

    def identities(self, **how):
        """Certificates and keys of both; returns the properties."""
        both = []
        for who, reader, name in (("nginx", "root", self.nginx),
                                  ("daemon", "nobody", self.daemon)):
            certificate, key = self.certify(who, reader, name, **how)
            both.append({**self.tls, "ssl.certificate.location": certificate,
                         "ssl.key.location": key})
        return both


class Troubles(Clients):
    """What is wrong stands in both logs, commands are refused, nothing is lost;
    what is mended in files is found by the daemon as it is, and by nginx with
    a reload."""

    def refused(self, listener, nginx, daemon, *words):
        """Starts both, and has the logs say the words and name the broker."""
        at = self.broker.at(listener)
        self.start(listener, nginx, daemon, ready=False)
        self.told(at, *words)
        self.nginx_told(at, *words)
        self.assertNotEqual(self.post(), 200)
        self.assertTrue(self.s.daemon.running())
        self.assertEqual(self.s.end(self.s.commands), 0)

    def mended(self):
        """The files have been replaced."""
        self.reload()
        stack.wait(self.accepted, "a command to be accepted")
        stack.wait(lambda: self.s.logged("[notice] processing "), "the daemon to go on", 30)
        self.works()

    def said_by_docs(self, words):
        self.assertIn(words, self.docs.section("What the logs say"))
        return words

    # passwords

    def credentials(self, nginx, daemon):
        """Writes (user, password) of both to files, and returns the properties."""
        both = []
        for who, reader, pair in (("nginx", "root", nginx), ("daemon", "nobody", daemon)):
            both.append({**SASL, "ssl.ca.location": self.broker.authority.certificate})
            for name, text in zip(("sasl.username", "sasl.password"), pair):
                self.hide(pair[1])
                both[-1][name + "_file"] = self.keep("%s.%s" % (who, name), text + "\n",
                                                     user=reader)
        return both

    def right(self):
        return [(user, self.password(user)) for user in (self.nginx, self.daemon)]

    def wrong_password(self):
        wrong = [(user, secure.secret()) for user, _ in self.right()]
        self.refused("SASL", *self.credentials(*wrong), self.said_by_docs(
            "SASL authentication error: Authentication failed"))
        self.credentials(*self.right())
        self.mended()

    def unknown_user(self):
        unknown = [("nobody", secure.secret())] * 2
        self.refused("SASL", *self.credentials(*unknown),
                     "SASL authentication error: Authentication failed")
        self.credentials(*self.right())
        self.mended()

    # the broker's certificate

    def wrong_authority(self):
        authority = self.keep("ca.pem", secure.read(self.broker.stranger.certificate))
        properties = {**self.tls, "ssl.ca.location": authority}
        self.hide(secure.secret())
        self.refused("TLS", properties, properties,
                     self.said_by_docs("certificate verify failed"))
        self.keep("ca.pem", secure.read(self.broker.authority.certificate))
        self.mended()

    def wrong_name(self):
        self.hide(secure.secret())
        self.refused("MISNAMED", self.tls, self.tls, "certificate verify failed")

    # the client's

    def expired(self):
        self.refused("MUTUAL", *self.identities(expired=True),
                     self.said_by_docs("alert certificate unknown"))
        self.identities()
        self.mended()

    def not_trusted(self):
        self.refused("MUTUAL", *self.identities(authority=self.broker.stranger),
                     "alert certificate unknown")
        self.identities()
        self.mended()

    def without(self):
        self.hide(secure.secret())
        # the broker's Java has a word of its own for it, or has not
        self.refused("MUTUAL", self.tls, self.tls,
                     (self.said_by_docs("alert bad certificate"),
                      self.said_by_docs("alert certificate required")))

    # neither

    def other_listener(self):
        """Of many kinds of trouble this is the one that no side knows of: some
        versions of librdkafka have a guess, none an error."""
        self.hide(secure.secret())
        self.start("TLS", {}, {}, ready=False)
        words = self.broker.at("TLS"), self.said_by_docs("in state APIVERSION_QUERY")
        self.told("Disconnected", *words)
        stack.wait(lambda: self.nginx_lines("Disconnected", *words), "nginx's error log")
        self.assertNotEqual(self.post(), 200)
        self.assertTrue(self.s.daemon.running())

    def test_each(self):
        cases = (Troubles.wrong_password, Troubles.unknown_user, Troubles.wrong_authority,
                 Troubles.wrong_name, Troubles.expired, Troubles.not_trusted, Troubles.without,
                 Troubles.other_listener)
        self.side_by_side({case.__name__: case for case in cases})


class Rotation(Clients):
    """An authority is replaced by another one while everything runs: the broker
    takes certificates of the new one alone, and cuts all connections."""

    def trust(self, authority):
        with self.s.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {
                "listener.name.wired.ssl.truststore.location": authority.certificate})],
                raise_on_unknown=False)

    def taken(self, properties):
        """Whether the broker takes this certificate now."""
        options = [option for pair in properties.items() for option in ("-X", "%s=%s" % pair)]
        return subprocess.run(["kcat", "-b", self.broker.at("WIRED"), "-L", "-m", "2", *options],
                              capture_output=True).returncode == 0

    def succeeded(self, name, properties):
        """The old certificates are no longer taken, and new ones are written."""
        authority = secure.Authority(self.folder + "/" + name)
        self.trust(authority)
        stack.wait(lambda: not self.taken(properties), "the old certificate to be refused")
        before = len(self.s.logged("alert certificate unknown"))
        # with a command under way
        wire = self.broker.wire
        wire.hold()
        with ThreadPoolExecutor() as pool:
            reply = pool.submit(self.post)
            stack.wait(lambda: wire.held > 100, "the command to be sent")
            wire.cut()
            self.assertNotEqual(reply.result(), 200)
        self.nginx_told("alert certificate unknown")
        stack.wait(lambda: len(self.s.logged("alert certificate unknown")) > before,
                   "the daemon to be told")
        self.identities(authority=authority)
        self.assertTrue(self.taken(properties))
        self.reload()
        stack.wait(self.accepted, "a command to be accepted")

    def test_authority(self):
        s = self.s
        self.addCleanup(self.trust, self.broker.authority)
        nginx, daemon = self.identities()
        self.start("WIRED", nginx, daemon)
        self.works()
        self.succeeded("second", daemon)
        # as the documentation has it
        self.assertEqual(s.daemon.stop(), 0)
        s.start_daemon()
        self.works()
        # and without
        ready = len(s.logged("[notice] processing "))
        self.succeeded("third", daemon)
        stack.wait(lambda: len(s.logged("[notice] processing ")) > ready,
                   "the daemon to find its new certificate", 30)
        self.works()
        self.assert_no_secret()


class Files(secure.Hiding):
    """What is wrong with files and lines is said when the configuration is
    tested; the values of secrets are not."""

    @classmethod
    def setUpClass(cls):
        cls.authority = secure.Authority(os.environ["WAREHOUSE_TEST_DIR"]
                                         + "/files-%d" % os.getpid())

    def setUp(self):
        super().setUp()
        self.s.brokers = "127.0.0.1:9"     # nobody is connected to
        self.secret = self.hide(secure.secret())
        certificate, key = self.authority.issue("client", passphrase=self.secret)
        self.file = self.keep("secret", self.secret + "\n")
        self.other = self.keep("other", self.secret + "0\n")
        self.tls = {"security.protocol": "ssl", "ssl.ca.location": self.authority.certificate}
        self.client = {**self.tls, "ssl.certificate.location": self.keep("pem", certificate),
                       "ssl.key.location": self.keep("key", key)}

    # each takes properties, or lines as they are, and gives (exit status, output)

    def daemon(self, properties=(), lines=(), arguments=()):
        self.s.write_conf(**{"kafka." + name: value for name, value in dict(properties).items()})
        with open(self.s.conf, "a") as f:
            f.writelines(line + "\n" for line in lines)
        return self.output(stack.BUILD + "/warehouse-consumer", "-c", self.s.conf, "-t",
                           *arguments)

    def nginx(self, properties=(), lines=(), flag="-t"):
        lines = ["warehouse_kafka %s %s;" % p for p in dict(properties).items()] + list(lines)
        self.s.write_nginx_conf(extra="\n".join(lines) + "\n")
        conf = self.s.dir + "/nginx/nginx.conf"
        self.addCleanup(secure.write, conf, "")
        return self.output("nginx", flag, "-c", conf)

    def refused(self, answer, *words):
        status, text = answer
        with self.subTest(words=words):
            self.assertEqual(status, 1)
            for word in words:
                self.assertIn(word, text)
            self.assertNotIn(self.secret, text)

    def test_missing(self):
        """Each is named, by both programs."""
        for name in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
                     "ssl.key.password_file", "sasl.password_file", "sasl.username_file"):
            path = "/nonexistent/" + name
            for program in (self.daemon, self.nginx):
                self.refused(program({**self.client, "ssl.key.password_file": self.file,
                                      name: path}), path)

    def test_passphrase(self):
        for program in (self.daemon, self.nginx):
            status, text = program({**self.client, "ssl.key.password_file": self.file})
            self.assertEqual(status, 0, text)
            self.refused(program({**self.client, "ssl.key.password_file": self.other}),
                         "ssl.key.", "wrong password")
            self.refused(program(self.client), "ssl.key.", "password")
            self.refused(program({**self.tls, "ssl.key.pem_file": self.file}), "ssl.key.pem")

    def test_arguments(self):
        """Every user of the machine can see them."""
        for name in ("sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"):
            self.refused(self.daemon(arguments=["--kafka.%s=%s" % (name, self.secret)]),
                         '"kafka.%s"' % name, '"kafka.%s_file"' % name)

    def test_lines_beside(self):
        """Something is wrong where the secret stands."""
        daemon, nginx, secret = self.daemon, self.nginx, self.secret
        self.refused(daemon({"sasl.pasword": secret}), "sasl.pasword")
        self.refused(daemon(lines=["sasl.password = " + secret]), "sasl.password")
        self.refused(daemon(lines=["kafka.sasl.password " + secret]), "key = value")
        self.refused(daemon(lines=["kafka.sasl.password =", secret]), "key = value")
        self.refused(daemon({"sasl.password": secret, "security.protocol": "sasl_ssl",
                             "sasl.mechanism": "PLAIN"}), "sasl.username")
        self.refused(daemon(lines=["kafka.sasl.password = " + secret, "batch_size = x"]),
                     "batch_size")
        self.refused(daemon(arguments=["--kafka.sasl.pasword=" + secret]), "sasl.pasword")
        self.refused(daemon(arguments=["--kafka.sasl.password", secret]), "argument")
        self.refused(nginx({"sasl.pasword": secret}), "sasl.pasword")
        self.refused(nginx({"sasl.password": secret + " x"}), "number of arguments")
        self.refused(nginx(lines=["warehouse_kafka sasl.password " + secret]), "arguments")
        self.refused(nginx(lines=["warehouse_kafka %s;" % secret]), "number of arguments")
        self.refused(nginx({"sasl.password": secret, "security.protocol": "sasl_ssl",
                            "sasl.mechanism": "PLAIN"}), "sasl.username")
        self.refused(nginx({"sasl.password": secret}, ["no_such_directive;"]), "no_such_directive")

    def test_file_of_another_property(self):
        """A slip of the operator's: the secret is no value of this one."""
        for program in (self.daemon, self.nginx):
            for name in ("linger.ms", "sasl.mechanism", "security.protocol", "debug"):
                self.refused(program({
                    "security.protocol": "sasl_ssl", "sasl.username": "a",
                    "sasl.password": "b", name + "_file": self.file}), name.split(".")[-1])

    def test_shown(self):
        """nginx -T shows the configuration, not what is in other files."""
        properties = {**self.client, "ssl.key.password_file": self.file}
        status, text = self.nginx(properties, flag="-T")
        self.assertEqual(status, 0)
        self.assertIn("ssl.key.password_file %s;" % self.file, text)
        self.assertNotIn(self.secret, text)


class Look(secure.Hiding):
    """assert_no_secret() finds what it looks for."""

    def found(self, where):
        with self.assertRaisesRegex(AssertionError, "a secret in .*" + where):
            self.assert_no_secret()
        self.said.clear()

    def test_finds(self):
        s = self.s
        s.brokers = "127.0.0.1:9"
        hidden = self.hide(secure.secret())
        s.write_conf()
        self.keep("file", hidden)
        s.start_nginx()
        self.assert_no_secret()
        self.said[:] = ["a %s b" % hidden]
        self.found("output 0")
        for path in (s.log, s.db + ".prom", s.dir + "/nginx/error.log"):
            with open(path, "a") as f:
                f.write("[error] %s\n" % hidden)
            self.found(os.path.basename(path))
            os.truncate(path, 0)
        self.assert_no_secret()
        s.start_daemon(ready=False, env={"SECRET": hidden})
        self.found("environ")
        s.daemon.stop()
        s.start_daemon("--pid_file=%s/%s" % (s.db_dir, hidden), ready=False)
        self.found("cmdline")
        s.daemon.stop()
        self.assert_no_secret()
        s.nginx.stop()
        s.start_nginx(extra="warehouse_kafka sasl.password %s;" % hidden)
        self.found("nginx.conf")


if __name__ == "__main__":
    stack.main()
