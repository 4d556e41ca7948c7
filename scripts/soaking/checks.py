"""Whether a host has what was acknowledged to clients, each item once, and nothing that nobody wrote."""
import json
import time

from load import number_of, png
from pair import KEPT, Fault

# An attempt without an answer may be carried out a little later, by a proxy that has not noticed.
LATE = 10


def acknowledged_until(ledger, app, moment):
    return [write for write in list(ledger.writes[app]) if write.is_acknowledged and write.ended <= moment]


def must_be_kept(ledger, app, moment):
    """The writes that were acknowledged by then and that no limit has reached, however writes at the same time were put in order.

    Call it when the list has been read: what was written meanwhile may have put older items out of it.
    """
    acknowledged = acknowledged_until(ledger, app, moment)
    if app not in KEPT_AS:
        return acknowledged
    end = lambda write: write.ended if write.is_acknowledged else min(write.ended, write.began + 40) + LATE
    newest_first, at, newer, kept = sorted(ledger.writes[app], key=end, reverse=True), 0, 0, []
    # What is newer than a write for certain or perhaps, at most: all that had not ended when it began.
    for write in sorted(acknowledged, key=lambda write: write.began, reverse=True):
        while at < len(newest_first) and end(newest_first[at]) >= write.began:
            newer += newest_first[at].count
            at += 1
        # The first items of a batch are listed with it.
        if newer <= KEPT[KEPT_AS[app]]:
            kept.append(write)
    return kept


KEPT_AS = {"pixel": "pixel", "message": "board", "picture": "thumbs"}


def compare(what, listed, ledger, app, moment):
    """Raises a fault unless `listed`, numbers of items, has all that has to be there, each once."""
    once = set(listed)
    if len(once) != len(listed):
        twice = sorted(number for number in once if listed.count(number) > 1)[:5] if len(listed) < 20_000 else "some"
        raise Fault(f"{what}: {len(listed) - len(once)} are listed twice, such as {twice}")
    must = must_be_kept(ledger, app, moment)
    lost = [n for write in must for n in range(write.number, write.number + write.count) if n not in once]
    if lost:
        raise Fault(f"{what}: {len(lost)} acknowledged are not listed, such as {lost[:5]}, of {len(once)} listed")
    tried = {n for write in list(ledger.writes[app]) for n in range(write.number, write.number + write.count)}
    if strange := once - tried:
        raise Fault(f"{what}: {len(strange)} are listed that nobody wrote, such as {sorted(strange)[:5]}")
    return sum(write.count for write in must)


def pages(host, path, name):
    """All items of a list, page by page."""
    items, after = [], ""
    while True:
        page = json.loads(host.ask(f"{path}{after}", Accept="application/json"))
        items += page[name]
        if page["next"] is None:
            return items
        after = f"&{CURSORS[name]}={page['next']}"


CURSORS = {"messages": "before", "products": "after", "images": "after"}


def suffixes(texts):
    return [int(text.removeprefix("soak-")) for text in texts if text.startswith("soak-")]


def pixels(host, ledger, moment):
    lines = host.ask("/pixels", 60, Accept="application/x-ndjson").splitlines()
    return compare(f"{host.name}: pixels", [number_of(json.loads(line)) for line in lines], ledger, "pixel", moment)


def messages(host, ledger, moment):
    listed = pages(host, "/messages?limit=100", "messages")
    found = compare(f"{host.name}: messages", suffixes(message["message"] for message in listed), ledger, "message", moment)
    # The oldest may go while they are read.
    for message in listed[:: max(1, len(listed) // 40)][:-2]:
        number = int(message["message"].removeprefix("soak-"))
        if host.ask(message["image_url"]) != png(number):
            raise Fault(f"{host.name}: the picture of message {message['id']} is not what was posted")
    return found


def toys(host, ledger, moment):
    names = [toy["name"] for toy in pages(host, "/api/products?limit=1000", "products")]
    return compare(f"{host.name}: toys", suffixes(names), ledger, "toy", moment)


def orders(host, ledger, moment):
    """Each is done: the last of them, and some of all."""
    acknowledged = acknowledged_until(ledger, "order", moment)
    for write in acknowledged[:: max(1, len(acknowledged) // 50)] + acknowledged[-20:]:
        order = json.loads(host.ask(f"/api/orders/{write.name}"))
        if order["product"] != f"soak-{write.number}":
            raise Fault(f"{host.name}: the order {write.name} of soak-{write.number} is {order}")
    return len(acknowledged)


def pictures(host, ledger, moment):
    """Each has its thumbnail, at the latest a while after it was posted."""
    end = time.monotonic() + 90
    while True:
        state = {image["media_id"]: image["state"] for image in pages(host, "/images?limit=100", "images")}
        must = must_be_kept(ledger, "picture", moment)
        if lost := [write.name for write in must if write.name not in state]:
            raise Fault(f"{host.name}: {len(lost)} acknowledged pictures are not listed, such as {lost[:3]}")
        unfinished = [write.name for write in must if state[write.name] != "Completed"]
        if not unfinished:
            return len(must)
        if time.monotonic() > end:
            raise Fault(f"{host.name}: {len(unfinished)} pictures have no thumbnail, such as {unfinished[:3]}")
        time.sleep(1)


def steps(host, ledger, moment):
    """A step is made once; one whose answer was lost may have been made."""
    acknowledged = acknowledged_until(ledger, "next", moment)
    hits = json.loads(host.ask("/state"))["hits"]
    tried = len(ledger.writes["next"])
    if not len(acknowledged) <= hits <= tried:
        raise Fault(f"{host.name}: {hits} steps were made, of {len(acknowledged)} acknowledged and {tried} tried")
    return len(acknowledged)


def all_of(host, ledger, moment):
    """How many acknowledged items were compared, by application; those that a limit has reached are not counted."""
    return {check.__name__: check(host, ledger, moment) for check in (pixels, messages, toys, orders, pictures, steps)}
