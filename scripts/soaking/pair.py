"""Two hosts with a link that can be cut, nginx in front of them, and a backup that follows one of them."""
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Limits that an hour of this load comes to, so that old data goes all the time. Toys go after a day at the earliest.
KEPT = {"pixel": 300_000, "board": 500, "thumbs": 150}

CONFIGURATION = """\
listen = ["127.0.0.1:{port}", "https://127.0.0.1:{tls_port}"]
data_dir = "{directory}"
workers = 1
disk_reserve = "64MiB"
durability = "disk"
open = true
peer_listen = "127.0.0.1:{peer_port}"
{dialed}peer_key = "{peer_key}"

[tls]
cert = ["{tls}/cert.pem"]
key = ["{tls}/key.pem"]

[toys]
heavy_ms = 50
db_ms = 5
order_ms = 20

[keep]
{keep}
"""


class Fault(Exception):
    """What a soak looks for: something that a host did and must not do."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_that(done, what, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise Fault(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def is_there(pid):
    """Whether the process runs; one that only waits for its parent does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Link:
    """Passes bytes from one port to another, until it is cut: then connections end, or (silently) nothing comes through."""

    def __init__(self, to_port):
        self.to_port, self.open, self.silent = to_port, True, False
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                if not self.open:
                    raise OSError("cut")
                far = socket.create_connection(("127.0.0.1", self.to_port), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for one, other in [(near, far), (far, near)]:
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                while self.silent:
                    time.sleep(0.1)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, silently):
        self.open, self.silent = False, silently
        if not silently:
            self.end_all()

    def mend(self):
        # What was held back belongs to connections that both ends have given up, or soon will.
        self.end_all()
        self.open, self.silent = True, False

    def end_all(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Host:
    def __init__(self, name, binary, folder, join=None):
        self.name, self.binary = name, binary
        self.directory, self.tls = folder / name, folder / f"{name}-tls"
        self.file, self.log = folder / f"{name}.toml", folder / f"{name}.log"
        self.port, self.tls_port, self.peer_port = free_port(), free_port(), free_port()
        self.dials, self.process, self.pid, self.starts = None, None, None, 0
        self.is_wanted = False
        self.since = time.time()
        self.init("--segment-size", "4MiB", *(["--join", join] if join else []))
        self.tls.mkdir()
        self.make_certificate()

    def init(self, *arguments):
        command = [self.binary, "init", "--data-dir", self.directory, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def key(self):
        return self.init("--show", "key")

    def configure(self, peer_key):
        dialed = f'peer = "127.0.0.1:{self.dials}"\n' if self.dials else ""
        keep = "\n".join(f'{app} = "{number}"' for app, number in KEPT.items())
        self.file.write_text(CONFIGURATION.format(**vars(self), dialed=dialed, peer_key=peer_key, keep=keep))

    def make_certificate(self):
        """Takes the place of the one before, the key first: a server that looks between the two refuses it and looks again."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "30", "-subj", "/CN=localhost", "-keyout", self.tls / "new-key.pem", "-out", self.tls / "new-cert.pem"]
        subprocess.run(command, check=True, capture_output=True)
        for name in ("key.pem", "cert.pem"):
            os.replace(self.tls / f"new-{name}", self.tls / name)

    def start(self):
        command = [self.binary, "serve", "--config", self.file]
        self.process = subprocess.Popen(command, stderr=open(self.log, "ab"), stdout=subprocess.DEVNULL)
        await_that(lambda: self.answers() or self.process.poll() is not None, f"{self.name}: a start")
        if self.process.poll() is not None:
            raise Fault(f"{self.name}: a start ended with {self.process.returncode}; see {self.log}")
        self.took_over(self.process.pid)

    def took_over(self, pid):
        self.pid, self.starts, self.since, self.is_wanted = pid, self.starts + 1, time.time(), True

    def answers(self):
        health = self.json("/health")
        return health and health["pid"]

    def end(self, number):
        """Ends it by that signal, and returns when the directory is free again."""
        self.is_wanted, pid = False, self.pid
        os.kill(pid, number)
        await_that(lambda: self.has_ended(pid), f"{self.name}: an end by {signal.Signals(number).name}", 30)

    def reload(self):
        """Hands over to a new process, as `systemctl reload` does."""
        self.is_wanted, pid = False, self.pid
        os.kill(pid, signal.SIGUSR2)
        await_that(lambda: self.answers() not in (None, pid), f"{self.name}: a hand-over", 90)
        self.took_over(self.answers())
        await_that(lambda: self.has_ended(pid), f"{self.name}: the end of the process before", 30)

    def has_ended(self, pid):
        self.process.poll()  # or it would stay as a name in the kernel's table
        return not is_there(pid)

    def ask(self, path, seconds=10, **fields):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=fields)
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.read()

    def json(self, path):
        """Nothing when there is no answer."""
        try:
            return json.loads(self.ask(path))
        except (OSError, ValueError):
            return None

    def peer(self):
        return (self.json("/health") or {}).get("peer", {})

    def is_even(self):
        peer = self.peer()
        return peer.get("state") == "connected" and peer.get("lag_records") == 0 and not peer.get("behind_records")

    def shown_certificate(self):
        return ssl.get_server_certificate(("127.0.0.1", self.tls_port), timeout=10)

    def rotate_certificate(self):
        self.make_certificate()
        os.kill(self.pid, signal.SIGHUP)
        wanted = ssl.PEM_cert_to_DER_cert((self.tls / "cert.pem").read_text())

        def is_shown():
            try:
                return ssl.PEM_cert_to_DER_cert(self.shown_certificate()) == wanted
            except OSError:
                return False

        await_that(is_shown, f"{self.name}: the new certificate", 20)


class Pair:
    """Both hosts, the link, nginx and the backup; what is in `folder` is kept for whoever looks for a fault."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.a = Host("a", binary, folder)
        self.b = Host("b", binary, folder, self.a.init("--show", "cluster_id"))
        self.hosts = (self.a, self.b)
        self.link = Link(self.b.peer_port)
        self.a.dials = self.link.port
        self.port = free_port()
        self.target, self.backup, self.nginx = folder / "backup", None, None

    def configure(self):
        self.a.configure(self.b.key())
        self.b.configure(self.a.key())

    def start(self):
        self.configure()
        self.a.start()
        self.b.start()
        self.await_even()
        self.start_nginx()
        self.start_backup()

    def start_nginx(self):
        text = (ROOT / "scripts/nginx.conf").read_text().replace("worker_processes auto", "worker_processes 1")
        for documented, port in [(8000, self.port), (8001, self.a.port), (8002, self.b.port)]:
            text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{port}")
        # Bodies are set aside in a folder of its own: nginx gives the usual one to the user of whichever nginx started last.
        text = text.replace("access_log off;", "access_log off; client_body_temp_path bodies; proxy_temp_path answers;")
        file = self.folder / "nginx.conf"
        file.write_text(text)
        command = ["nginx", "-p", self.folder, "-c", file, "-g", "daemon off;"]
        self.nginx = subprocess.Popen(command, stderr=open(self.folder / "nginx.log", "ab"))
        await_that(lambda: self.listens(), "nginx")

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_backup(self):
        command = [self.binary, "backup", self.a.directory, self.target, "--follow"]
        log = open(self.folder / "backup.log", "ab")
        self.backup = subprocess.Popen(command, stdout=log, stderr=log)

    def kill_backup(self):
        if self.backup.poll() is not None:
            raise Fault(f"the backup ended by itself with {self.backup.returncode}; see backup.log")
        self.backup.kill()
        self.backup.wait()
        self.start_backup()

    def await_even(self, seconds=120):
        """Waits until each has what the other one has."""
        for host in self.hosts:
            await_that(host.is_even, f"{host.name}: an even state, instead of {host.peer()}", seconds)

    def rotate_key(self, host, other):
        """As in docs/two-hosts.md."""
        host.end(signal.SIGTERM)
        os.replace(host.directory / "peer.key", host.directory / "peer.key.old")
        host.start()
        other.configure(host.key())
        other.reload()
        await_that(lambda: host.peer().get("state") == "connected", f"{host.name}: a connection with its new key")
        (host.directory / "peer.key.old").unlink()

    def end(self):
        """Ends what still runs, whatever happened before."""
        for process in (self.backup, self.nginx):
            if process and process.poll() is None:
                process.terminate()
                process.wait()
        for host in self.hosts:
            if host.pid and is_there(host.pid):
                os.kill(host.pid, signal.SIGTERM)
