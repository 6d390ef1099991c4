"""What the tests of Kafka's security share: certificates, a broker that has a
listener for each way of authentication, ACLs, what docs/security.md says, and
a look for secrets where none may be."""

import concurrent.futures
import contextlib
import itertools
import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import threading
import unittest

from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType,
                         ResourcePattern, ResourcePatternFilter, ResourceType, ScramMechanism,
                         UserScramCredentialUpsertion)

import stack

NAMES = "DNS:localhost,IP:127.0.0.1"
POST = '{"action":"increase","sku":"A","qty":1}'


def librdkafka():
    """Its version, as numbers."""
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"librdkafka (\d+)\.(\d+)\.(\d+)", said).groups()))


LIBRDKAFKA = librdkafka()

# before 2.6.1 SCRAM sends its nonce twice, and brokers since 3.7.2, 3.8.1 and 3.9.0
# take that for a wrong password
MECHANISM = "SCRAM-SHA-512" if LIBRDKAFKA >= (2, 6, 1) else "PLAIN"


def secret():
    """What no log has by chance."""
    return "hush" + secrets.token_hex(12)


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text, mode=0o644, user=None):
    """In one step, as whoever replaces a file has to."""
    with open(path + ".new", "w", opener=lambda p, flags: os.open(p, flags, mode)) as f:
        f.write(text)
        if user:
            os.fchown(f.fileno(), pwd.getpwnam(user).pw_uid, -1)
    os.rename(path + ".new", path)
    return path


def has(line, words):
    return all(any(w in line for w in ((word,) if isinstance(word, str) else word))
               for word in words)


class Authority:
    """A certificate authority; certificate is the path of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.Lock()
        os.makedirs(directory)
        self.certificate = directory + "/ca.pem"
        write(directory + "/index.txt", "")
        write(directory + "/ca.conf", "\n".join([
            "[ca]", "default_ca = own", "[own]",
            "database = index.txt", "new_certs_dir = .", "certificate = ca.pem",
            "private_key = ca.key", "default_md = sha256", "policy = any", "rand_serial = yes",
            "unique_subject = no", "[any]", "commonName = supplied"]))
        self.openssl("req", "-x509", "-days", "30", "-subj", "/CN=authority", "-out", "ca.pem",
                     "-addext", "keyUsage=critical,keyCertSign", *self.key("ca.key"))

    def openssl(self, *args):
        r = subprocess.run(["openssl", *args], cwd=self.directory, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr

    @staticmethod
    def key(path, passphrase=None):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", path,
                *(["-passout", "pass:" + passphrase] if passphrase else ["-nodes"])]

    def issue(self, name, names=NAMES, expired=False, passphrase=None):
        """The texts of a new certificate and of its key."""
        with self.lock:
            self.openssl("req", "-new", "-subj", "/CN=" + name, "-out", "new.csr",
                         *self.key("new.key", passphrase))
            write(self.directory + "/new.ext", "subjectAltName = " + names)
            self.openssl("ca", "-batch", "-config", "ca.conf", "-notext", "-in", "new.csr",
                         "-startdate", "20010101000000Z",
                         "-enddate", "20020101000000Z" if expired else "20990101000000Z",
                         "-extfile", "new.ext", "-out", "new.pem")
            return read(self.directory + "/new.pem"), read(self.directory + "/new.key")


class Wire(threading.Thread):
    """A port that leads to another one, and whose connections can be cut."""

    def __init__(self, port, to):
        super().__init__(daemon=True)
        self.to = to
        self.sockets = set()
        self.flows = threading.Event()
        self.flows.set()
        self.held = 0                  # bytes, since hold()
        self.server = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            client, _ = self.server.accept()
            try:
                broker = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            self.sockets |= {client, broker}
            for pair in ((client, broker), (broker, client)):
                threading.Thread(target=self.lead, args=pair, daemon=True).start()

    def lead(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if not self.flows.is_set():
                    self.held += len(data)
                    self.flows.wait()
                other.sendall(data)
        for s in (one, other):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def hold(self):
        """Until cut(), nothing that is sent arrives."""
        self.held = 0
        self.flows.clear()

    def cut(self):
        for s in list(self.sockets):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        self.flows.set()


class Broker(stack.Broker):
    """The harness is administrator through PLAINTEXT, where everybody is
    ANONYMOUS, as at TLS; elsewhere one may do what the ACLs allow."""

    LISTENERS = {"TLS": "SSL", "MUTUAL": "SSL", "WIRED": "SSL", "MISNAMED": "SSL",
                 "SASL": "SASL_SSL", "SHORT": "SASL_SSL"}
    USERS = 50                     # of each kind
    SESSION = 3                    # seconds that an authentication holds at SHORT

    def __init__(self, directory):
        super().__init__(directory)
        self.count = itertools.count()
        # PLAIN's users are those that the broker starts with
        self.passwords = {"%s-%d" % (name, n): secret()
                          for name in ("nginx", "warehouse") for n in range(self.USERS)}
        self.authority = Authority(directory + "-authority")
        self.stranger = Authority(directory + "-stranger")
        ports = stack.free_ports(*range(1, len(self.LISTENERS) + 1))
        self.ports = dict(zip(self.LISTENERS, ports))
        self.wire = Wire(ports[-1], self.ports["WIRED"])
        at = ["PLAINTEXT://" + self.address] + ["%s://127.0.0.1:%d" % listener
                                                for listener in self.ports.items()]
        self.ports["WIRED"] = ports[-1]
        advertised = ["PLAINTEXT://" + self.address] + ["%s://127.0.0.1:%d" % listener
                                                        for listener in self.ports.items()]
        lines = [
            "listeners=" + ",".join(["CONTROLLER://127.0.0.1:%d" % self.controller] + at),
            "advertised.listeners=" + ",".join(advertised),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            + ",".join("%s:%s" % listener for listener in self.LISTENERS.items()),
            "inter.broker.listener.name=PLAINTEXT",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS",
            "allow.everyone.if.no.acl.found=false",
            "ssl.keystore.type=PEM",
            "ssl.keystore.location=" + self.identity("server", NAMES),
            "ssl.truststore.type=PEM",
            "ssl.truststore.location=" + self.authority.certificate,
            "listener.name.mutual.ssl.client.auth=required",
            "listener.name.wired.ssl.client.auth=required",
            "listener.name.wired.ssl.truststore.type=PEM",
            "listener.name.wired.ssl.truststore.location=" + self.authority.certificate,
            "listener.name.misnamed.ssl.keystore.type=PEM",
            "listener.name.misnamed.ssl.keystore.location="
            + self.identity("misnamed", "DNS:elsewhere.invalid"),
            "listener.name.short.connections.max.reauth.ms=%d" % (1000 * self.SESSION),
        ]
        module = "org.apache.kafka.common.security.%sLoginModule required%s;"
        users = "".join(' user_%s="%s"' % user for user in self.passwords.items())
        for listener in ("sasl", "short"):
            prefix = "listener.name.%s." % listener
            lines += [prefix + "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
                      prefix + "plain.sasl.jaas.config=" + module % ("plain.Plain", users),
                      prefix + "scram-sha-512.sasl.jaas.config=" + module % ("scram.Scram", "")]
        self.extra = "\n".join(lines)

    def at(self, listener):
        return "127.0.0.1:%d" % self.ports[listener]

    def users(self):
        """Names for one more nginx and one more daemon."""
        n = next(self.count)
        return "nginx-%d" % n, "warehouse-%d" % n

    def identity(self, name, names):
        certificate, key = self.authority.issue(name, names)
        return write(self.directory + "-" + name + ".pem", key + certificate, 0o600)


class Docs:
    """What docs/security.md says, for a test to do."""

    def __init__(self):
        self.text = read(stack.ROOT + "/docs/security.md")

    def section(self, heading):
        return re.search(r"(?ms)^## %s\n(.*?)(?=^## |\Z)" % heading, self.text)[1]

    def snippets(self, heading):
        """What the section's examples set: nginx's properties, the daemon's."""
        nginx, daemon = re.findall(r"(?ms)^```\w+\n(.*?)^```$", self.section(heading))[:2]
        return (dict(re.findall(r"(?m)^warehouse_kafka (\S+) +(\S+);$", nginx)),
                dict(re.findall(r"(?m)^kafka\.(\S+) = (\S+)$", daemon)))

    def acls(self):
        """What the commands allow: (principal, operation, kind, name)."""
        kinds = {"--topic": "TOPIC", "--group": "GROUP", "--transactional-id": "TRANSACTIONAL_ID",
                 "--cluster": "CLUSTER"}
        found = []
        for line in re.findall(r"(?m)^kafka-acls\.sh (.*)$", self.text):
            words = line.split()
            values = [pair for pair in zip(words, words[1:]) if pair[0].startswith("--")]
            principal, = [value for name, value in values if name == "--allow-principal"]
            for name, operation in values:
                if name == "--operation":
                    operation = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
                    found += [(principal.removeprefix("User:"), operation, kinds[kind], resource)
                              for kind, resource in values if kind in kinds]
        return found

    def table(self):
        """The same, as the table has it, with what the log says without."""
        found = {}
        for row in re.findall(r"(?m)^\| (nginx|warehouse) \| (.*) \|$", self.text):
            operation, kind, name, _, says = re.match(
                r"(\w+) \| ([a-z ]+) `(.*?)`(.*?) \| (.*)", row[1]).groups()
            operation = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
            found[row[0], operation, kind.replace(" ", "_").upper(), name] = says
        return found


class Hiding(stack.Case):
    """A test case with secrets, and a look for them."""

    user = "nobody" if os.getuid() == 0 else None

    def setUp(self):
        super().setUp()
        self.secrets = []              # texts that nobody may see
        self.said = []                 # what was printed and answered
        self.folder = self.s.dir + "/secrets"
        os.mkdir(self.folder)

    def keep(self, name, text, user=None):
        """Writes a file of the operator's; user: who alone may read it."""
        return write(self.folder + "/" + name, text, 0o600 if user else 0o644,
                     user if os.getuid() == 0 else None)

    def hide(self, text):
        """A text that is to be found nowhere."""
        self.secrets.append(text)
        return text

    def output(self, *argv):
        """(exit status, all that was printed)."""
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said.append(r.stdout)
        return r.returncode, r.stdout

    def assert_no_secret(self):
        """None of the secrets is in a file but its own, in what was printed and
        answered, or in what the system shows of the processes."""
        s = self.s
        self.assertTrue(self.secrets)
        if s.nginx and s.nginx.running():
            self.said.append(s.request("GET", "/metrics")[2])
            for flag in ("-t", "-T"):
                self.output("nginx", flag, "-c", s.dir + "/nginx/nginx.conf")
        if s.daemon:
            self.output(stack.BUILD + "/warehouse-consumer", "-c", s.conf, "-t")
        places = {}
        for folder, _, names in os.walk(s.dir):
            if not folder.startswith(self.folder):
                paths = [folder + "/" + name for name in names]
                places.update((path, self.bytes(path)) for path in paths)
        for process in (s.daemon, s.nginx):
            if process and process.running():
                pids = [process.pid] + s.workers(process)
                places.update((path, self.bytes(path)) for pid in pids
                              for path in ("/proc/%d/cmdline" % pid, "/proc/%d/environ" % pid))
        places.update(("output %d" % n, said.encode()) for n, said in enumerate(self.said))
        for place, text in places.items():
            for hidden in self.secrets:
                self.assertFalse(hidden.encode() in text, "a secret in %s" % place)

    @staticmethod
    def bytes(path):
        with contextlib.suppress(OSError), open(path, "rb") as f:
            return f.read()
        return b""


class Case(Hiding):
    """A test case with a stack whose nginx and daemon are principals of their
    own at the file's broker."""

    broker = None

    @classmethod
    def setUpClass(cls):
        if Case.broker is None:
            Case.broker = Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/secure-%d" % os.getpid())
            unittest.addModuleCleanup(Case.broker.stop)
            Case.broker.start()
        cls.docs = Docs()

    def setUp(self):
        super().setUp()
        self.s.brokers = self.broker.address
        self.nginx, self.daemon = self.broker.users()

    def side_by_side(self, works):
        """Most of the time is spent waiting: runs functions of a case at the
        same time, each with a case of its own, and looks for their secrets."""
        def run(work):
            case = type(self)()
            try:
                case.setUp()
                work(case)
                case.assert_no_secret()
            finally:
                # in this thread, whose end would be that of its processes
                case.doCleanups()

        with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
            futures = {name: pool.submit(run, work) for name, work in works.items()}
        troubles = []
        for name, future in futures.items():
            if future.exception():
                future.exception().add_note("case: " + name)
                troubles.append(future.exception())
        if troubles:
            raise BaseExceptionGroup("side by side", troubles)

    # users

    def password(self, user):
        """The user's, at the broker."""
        password = self.hide(self.broker.passwords[user])
        if MECHANISM != "PLAIN":
            self.scram(user, password)
        return password

    def scram(self, user, password):
        with self.s.admin() as admin:
            done = admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password)])
        self.assertEqual(set(done.values()), {None}, done)

    def certify(self, which, user, name, authority=None, **how):
        """Writes certificate and key of a client: which is the files' name,
        user who reads the key.  Returns their paths."""
        certificate, key = (authority or self.broker.authority).issue(name, **how)
        self.hide(key.splitlines()[2])
        return (self.keep(which + ".pem", certificate),
                self.keep(which + ".key", key, user=user))

    # ACLs

    def ours(self, acls, principal="%s"):
        """Those of the documentation with this case's names."""
        s = self.s
        names = {"nginx": self.nginx, "warehouse": self.daemon}
        resources = {("TOPIC", "commands"): s.commands,
                     ("TOPIC", "notifications"): s.notifications,
                     ("TOPIC", "rejections"): s.rejections or "rejections-" + s.id,
                     ("GROUP", "warehouse"): s.group, ("TRANSACTIONAL_ID", "warehouse"): s.group}
        return [(principal % names[who], operation, kind, resources[kind, name])
                for who, operation, kind, name in acls]

    def allow(self, acls):
        acls = [ACL("User:" + principal, "*", ACLOperation[operation], ACLPermissionType.ALLOW,
                    ResourcePattern(ResourceType[kind], name))
                for principal, operation, kind, name in acls]
        with self.s.admin() as admin:
            self.assertEqual(len(admin.create_acls(acls)["succeeded"]), len(acls))

    def withdraw(self, acls):
        filters = [ACLFilter("User:" + principal, "*", ACLOperation[operation],
                             ACLPermissionType.ALLOW,
                             ResourcePatternFilter(ResourceType[kind], name,
                                                   ACLResourcePatternType.LITERAL))
                   for principal, operation, kind, name in acls]
        with self.s.admin() as admin:
            done = admin.delete_acls(filters)
        self.assertEqual([len(deleted) for _, deleted, _ in done], [1] * len(acls))

    # both programs

    def start(self, listener, nginx, daemon, ready=True, level="info", **keys):
        """Starts both with these properties of librdkafka's.  A command that
        cannot be written is refused within a second."""
        self.configure(listener, daemon, **keys)
        self.s.start_daemon(ready=ready)
        properties = {"message.timeout.ms": 1000, **nginx}
        self.s.start_nginx(
            brokers=self.broker.at(listener), user="www-data", level=level,
            extra="".join("warehouse_kafka %s %s;\n" % p for p in properties.items()))

    def configure(self, listener, daemon, **keys):
        self.s.write_conf(**{"kafka.bootstrap.servers": self.broker.at(listener),
                             **{"kafka." + name: value for name, value in daemon.items()}}, **keys)

    def post(self):
        status, headers, text = self.s.request("POST", "/commands", POST)
        self.said.append("%s%s" % (headers, text))
        if status != 200:
            self.assertIn(status, (503, 504))
            self.assertEqual(headers["Content-Type"], "application/problem+json")
        return status

    def accepted(self):
        return self.post() == 200

    def reload(self):
        """Until the old workers are gone."""
        old = self.s.workers()
        self.s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: self.s.workers() and not set(old) & set(self.s.workers())
                   and not any(os.path.exists("/proc/%d" % pid) for pid in old), "the reload")

    def works(self):
        """A command goes all the way."""
        stack.wait(self.accepted, "a command to be accepted")
        ledger = self.check()
        status, text = self.s.items()
        self.assertEqual((status, text), (200, '[{"sku":"A","qty":%d}]' % ledger.items["A"][0]))

    def told(self, *words):
        """Waits for a line of the daemon's log with all of the words; of a tuple
        one will do."""
        stack.wait(lambda: any(has(line, words) for line in self.s.lines()),
                   "%s in the daemon's log" % (words,), 20)

    def nginx_lines(self, *words):
        with open(self.s.dir + "/nginx/error.log") as f:
            return [line for line in f if has(line, words)]

    def nginx_told(self, *words):
        """The same of nginx's error log, at a level that is on by default."""
        stack.wait(lambda: [line for line in self.nginx_lines(*words)
                            if "[info]" not in line and "[debug]" not in line],
                   "%s in nginx's error log" % (words,), 20)
