"""Clients of all applications through nginx, and what was acknowledged to them."""
import http.client
import json
import random
import struct
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field

# Requests a second, each by clients of its own. A batch has this many pixels.
RATES = {"pixel": 12, "pixels": 1, "next": 2, "toy": 2, "order": 0.5, "message": 0.7, "picture": 0.2, "read": 2}
BATCH = 500
# What may be answered while hosts are disturbed: by nginx without a host, by a host that stops or waits for the other one, and to
# an order that is sent again before it is done. Anything else that is no success is a fault.
EXPLAINED = (409, 502, 503, 504)
READ = ["/pixels/count", "/messages?limit=20", "/pixels?limit=100", "/state", "/canvas.png", "/api/products/last", "/images?limit=20"]
JSON = {"Content-Type": "application/json"}


@dataclass
class Write:
    """One request that writes `count` items from `number` on. Whether it is kept is open unless it was acknowledged."""

    number: int
    count: int
    began: float
    ended: float = float("inf")
    is_acknowledged: bool = False
    name: str = ""


@dataclass
class Ledger:
    """What clients know. Lists grow at their end only, so that a reader may copy them while clients go on."""

    writes: dict = field(default_factory=lambda: {app: [] for app in ("pixel", "next", "toy", "order", "message", "picture")})
    outcomes: Counter = field(default_factory=Counter)
    delays: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: int = 0

    def begin(self, app, count=1):
        with self.lock:
            write = Write(self.numbers, count, time.time())
            self.numbers += count
            self.writes[app].append(write)
        return write

    def count(self, what, outcome):
        with self.lock:
            self.outcomes[what, outcome] += 1

    def acknowledged(self, app):
        return sum(write.count for write in self.writes[app] if write.is_acknowledged)


def pixel(number):
    """Each number is a pixel of its own, on a canvas of 1,024 x 1,024 cells."""
    return {"x": number % 1024, "y": number // 1024 % 1024, "channel": "RGB"[number >> 28], "value": number >> 20 & 255}


def number_of(pixel):
    return pixel["x"] + 1024 * pixel["y"] + (pixel["value"] << 20) + ("RGB".index(pixel["channel"]) << 28)


def png(number, side=24):
    """A picture that no other number has."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    noise = random.Random(number)
    rows = b"".join(b"\0" + noise.randbytes(3 * side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class Client(threading.Thread):
    """Asks again and again at its rate, and not faster after a pause."""

    def __init__(self, ledger, port, what, stop):
        super().__init__(daemon=True)
        self.ledger, self.port, self.what, self.stop = ledger, port, what, stop
        self.connection = None

    def run(self):
        pause = 1 / RATES[self.what]
        due = time.monotonic() + random.random() * pause
        while not self.stop.wait(max(0, due - time.monotonic())):
            due = max(due + pause, time.monotonic() - 1)
            try:
                getattr(self, f"one_{self.what}")()
            except Exception as error:  # a client that ends would make a soak that finds nothing
                self.ledger.faults.append(f"the client of {self.what}: {error!r}")
                time.sleep(1)

    def ask(self, method, path, body=None, fields=None):
        """Status, fields and body; status 0 when there was no answer."""
        began = time.monotonic()
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self.connection.request(method, path, body, fields or {})
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            self.ledger.count(self.what, 0)
            return 0, {}, b""
        self.ledger.count(self.what, answer.status)
        if answer.status >= 400 and answer.status not in EXPLAINED:
            self.ledger.faults.append(f"{method} {path} was answered {answer.status}: {text[:200]!r}")
        if self.what == "pixel" and answer.status == 200:
            self.ledger.delays.append((time.time(), time.monotonic() - began))
        return answer.status, answer.headers, text

    def write(self, app, path, body, fields, count=1, until_taken=False):
        """Posts body(number), with an idempotency key again and again until it is taken; returns what was answered."""
        write = self.ledger.begin(app, count)
        if until_taken:
            fields = fields | {"Idempotency-Key": f'"soak-{write.number}"'}
        while True:
            status, headers, text = self.ask("POST", path, body(write.number), fields)
            # 504 with a level that was reached: it is stored there, and on its way to the other host.
            write.is_acknowledged = status in (200, 201, 202) or status == 504 and headers.get("Durability") == "disk"
            write.ended = time.time()
            if write.is_acknowledged or not until_taken or self.stop.wait(0.3):
                return write, status, text

    def one_pixel(self):
        level = {"Durability": "both"} if random.random() < 0.2 else {}
        self.write("pixel", "/pixel", lambda number: json.dumps(pixel(number)), JSON | level)

    def one_pixels(self):
        body = lambda number: "\n".join(json.dumps(pixel(n)) for n in range(number, number + BATCH))
        write, status, text = self.write("pixel", "/pixels", body, {"Content-Type": "application/x-ndjson"}, BATCH)
        if status == 200 and json.loads(text)["accepted"] != BATCH:
            self.ledger.faults.append(f"a batch of {BATCH} pixels was taken in part: {text[:200]!r}")

    def one_next(self):
        self.write("next", "/next", lambda _: "", {})

    def one_toy(self):
        body = lambda number: json.dumps({"name": f"soak-{number}"})
        self.write("toy", "/api/products", body, JSON, until_taken=True)

    def one_order(self):
        body = lambda number: json.dumps({"product": f"soak-{number}"})
        write, _, text = self.write("order", "/api/orders", body, JSON, until_taken=True)
        write.name = json.loads(text)["id"] if write.is_acknowledged else ""

    def one_message(self):
        def form(number):
            field = f'--soak\r\nContent-Disposition: form-data; name="message"\r\n\r\nsoak-{number}\r\n'
            file = '--soak\r\nContent-Disposition: form-data; name="file"; filename="soak.png"\r\nContent-Type: image/png\r\n\r\n'
            return (field + file).encode() + png(number) + b"\r\n--soak--\r\n"

        self.write("message", "/upload/", form, {"Content-Type": "multipart/form-data; boundary=soak"})

    def one_picture(self):
        fields = {"Content-Type": "image/png"}
        write, _, text = self.write("picture", "/images?encoding=binary&size=16x16", png, fields)
        write.name = json.loads(text)["media_id"] if write.is_acknowledged else ""

    def one_read(self):
        self.ask("GET", random.choice(READ))


def start(ledger, port):
    """Starts all clients; returns a function that ends them."""
    stop = threading.Event()
    clients = [Client(ledger, port, what, stop) for what in RATES]
    for client in clients:
        client.start()

    def end():
        stop.set()
        for client in clients:
            client.join(timeout=90)

    return end
