"""Samples of both hosts, and whether something grows without bound."""
import csv
import os
import pathlib
import re
import statistics
import time

HOST_COLUMNS = ["pid", "rss_bytes", "descriptors", "threads", "disk_bytes", "commit_p50_s", "commit_p99_s", "lag_records", "pixels", "cpu_s"]
CLIENT_COLUMNS = ["answered", "refused", "unanswered", "p50_ms", "p99_ms", "backup_bytes", "load_average"]
COLUMNS = ["second"] + [f"{host}_{name}" for host in "ab" for name in HOST_COLUMNS] + CLIENT_COLUMNS
# How much more the last third of a process's life may have than the one before: a share, and a bit.
MAY_GROW = {"rss_bytes": (0.15, 8 << 20), "descriptors": (0, 12), "threads": (0, 2)}
# A process that lived for less says nothing about growth.
LONG_ENOUGH = 6 * 60
# Of the directory of a host, over the second half of the time: retention lets segments of 4 MiB go as a whole, five may stay.
DISK_MAY_GROW = 0.25, 5 * (4 << 20)


def disk_bytes(directory):
    """As the file system counts; files come and go meanwhile."""
    size = 0
    for folder, _, files in os.walk(directory):
        for file in files:
            try:
                size += os.lstat(os.path.join(folder, file)).st_blocks * 512
            except OSError:
                pass
    return size


def quantile(before, after, share):
    """An upper bound of it, of a histogram's counts by their bounds; nothing without new values."""
    counts = [(float(bound.replace("+Inf", "inf")), count - before.get(bound, 0)) for bound, count in after.items()]
    if not counts or counts[-1][1] <= 0:
        return ""
    return next(bound for bound, count in counts if count >= share * counts[-1][1])


class Sampler:
    def __init__(self, pair, ledger, file):
        self.pair, self.ledger = pair, ledger
        self.rows, self.buckets = [], {}
        self.counted, self.delayed = dict(ledger.outcomes), 0
        self.file = open(file, "w", newline="")
        self.writer = csv.DictWriter(self.file, COLUMNS)
        self.writer.writeheader()
        self.begin()

    def begin(self):
        """Seconds are counted from now on."""
        self.began = time.time()

    def sample(self):
        row = {"second": round(time.time() - self.began)}
        for host in self.pair.hosts:
            if host.is_wanted:
                row |= {f"{host.name}_{name}": value for name, value in self.of_host(host).items()}
        row |= self.of_clients()
        self.rows.append(row)
        self.writer.writerow(row)
        self.file.flush()

    def of_host(self, host):
        status = pathlib.Path(f"/proc/{host.pid}/status").read_text()
        number = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M).group(1))
        metrics = host.ask("/metrics").decode()
        found = re.findall(r'^pixeld_stage_seconds_bucket\{stage="commit_wait",le="([^"]+)"\} (\d+)$', metrics, re.M)
        after = {bound: int(count) for bound, count in found}
        before = self.buckets.get((host.name, host.pid), {})
        self.buckets[host.name, host.pid] = after
        cpu = re.search(r"^process_cpu_seconds_total (\S+)", metrics, re.M)
        return {
            "pid": host.pid,
            "rss_bytes": number("VmRSS") * 1024,
            "descriptors": len(os.listdir(f"/proc/{host.pid}/fd")),
            "threads": number("Threads"),
            "disk_bytes": disk_bytes(host.directory),
            "commit_p50_s": quantile(before, after, 0.5),
            "commit_p99_s": quantile(before, after, 0.99),
            "lag_records": host.peer().get("lag_records", ""),
            "pixels": (host.json("/pixels/count") or {}).get("total", ""),
            "cpu_s": cpu.group(1) if cpu else "",
        }

    def of_clients(self):
        counts = dict(self.ledger.outcomes)
        new = {key: count - self.counted.get(key, 0) for key, count in counts.items()}
        self.counted = counts
        delays = sorted(1000 * delay for _, delay in self.ledger.delays[self.delayed :])
        self.delayed += len(delays)
        at = lambda share: round(delays[min(len(delays) - 1, int(share * len(delays)))], 2) if delays else ""
        return {
            "answered": sum(count for (_, status), count in new.items() if 200 <= status < 400),
            "refused": sum(count for (_, status), count in new.items() if status >= 400),
            "unanswered": sum(count for (_, status), count in new.items() if not status),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "backup_bytes": disk_bytes(self.pair.target),
            "load_average": os.getloadavg()[0],
        }


def lives(rows, host):
    """The samples of each process of that host which lived for long enough, without its first minute."""
    by_pid = {}
    for row in rows:
        if pid := row.get(f"{host}_pid"):
            by_pid.setdefault(pid, []).append(row)
    for life in by_pid.values():
        if life[-1]["second"] - life[0]["second"] >= LONG_ENOUGH:
            yield [row for row in life if row["second"] >= life[0]["second"] + 60]


def growth(rows):
    """What was compared, and what of it grew by more than it may: (host, what, before, after, whether it grew)."""
    compared = []
    middle = lambda rows, column: statistics.median(row[column] for row in rows)
    for host in "ab":
        for life in lives(rows, host):
            third = len(life) // 3
            for name, (share, bit) in MAY_GROW.items():
                before, after = (middle(part, f"{host}_{name}") for part in (life[third : 2 * third], life[2 * third :]))
                compared.append((host, f"{name} of the process from second {life[0]['second']}", before, after, after > before * (1 + share) + bit))
        seen = [row for row in rows if f"{host}_disk_bytes" in row]
        half = seen[len(seen) // 2 :]
        share, bit = DISK_MAY_GROW
        if len(half) >= 6:
            before, after = (middle(part, f"{host}_disk_bytes") for part in (half[: len(half) // 3], half[-len(half) // 3 :]))
            compared.append((host, "disk_bytes in the second half", before, after, after > before * (1 + share) + bit))
    return compared
