"""The page of figures: Markdown, and a plot beside it."""
import os
import platform
import statistics
import subprocess
import time
from collections import Counter

from load import RATES
from pair import KEPT, ROOT

WIDTH, HEIGHT, LEFT, TOP = 720, 96, 64, 22
COLOURS = {"a": "#1f77b4", "b": "#d95f02", "clients": "#444444"}
MIB = 1 << 20
# Title, then lines: whose, column, and what a value is divided by.
PANELS = [
    ("memory (RSS), MiB", [("a", "a_rss_bytes", MIB), ("b", "b_rss_bytes", MIB)]),
    ("descriptors", [("a", "a_descriptors", 1), ("b", "b_descriptors", 1)]),
    ("data directory, MiB", [("a", "a_disk_bytes", MIB), ("b", "b_disk_bytes", MIB)]),
    ("p99 of POST /pixel through nginx, ms", [("clients", "p99_ms", 1)]),
    ("pixels that are listed, thousands", [("a", "a_pixels", 1000), ("b", "b_pixels", 1000)]),
]


def points(rows, column, divisor, most=240):
    """At most so many, each the largest value of its part of the time."""
    known = [(row["second"], float(row[column]) / divisor) for row in rows if row.get(column) not in (None, "")]
    step = max(1, -(-len(known) // most))
    return [(known[n][0], max(value for _, value in known[n : n + step])) for n in range(0, len(known), step)]


def plot(rows, happened):
    length = max([row["second"] for row in rows], default=1) or 1
    parts, top = [], TOP
    x = lambda second: LEFT + (WIDTH - LEFT - 8) * second / length
    for title, lines in PANELS:
        drawn = [(whose, points(rows, column, divisor)) for whose, column, divisor in lines]
        highest = max([value for _, line in drawn for _, value in line], default=1) or 1
        parts.append(f'<text x="{LEFT}" y="{top - 6}">{title}</text><rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 8}" height="{HEIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{top + 9}" class="n">{highest:,.0f}</text><text x="{LEFT - 4}" y="{top + HEIGHT}" class="n">0</text>')
        ticks = "".join(f"M{x(second):.0f} {top}v{HEIGHT}" for second, _, _ in happened)
        parts.append(f'<path d="{ticks}" class="e"/>')
        for whose, line in drawn:
            text = " ".join(f"{x(second):.0f},{top + HEIGHT - HEIGHT * value / highest:.1f}" for second, value in line)
            parts.append(f'<polyline points="{text}" stroke="{COLOURS[whose]}"/>')
        top += HEIGHT + 30
    hours = [(h, x(h)) for h in range(0, length + 1, max(600, length // 6 // 600 * 600))]
    parts += [f'<text x="{at:.0f}" y="{top - 14}" class="n">{second // 60} min</text>' for second, at in hours[1:]]
    style = "text{font:11px sans-serif}.n{text-anchor:end}rect{fill:none;stroke:#bbb}polyline{fill:none;stroke-width:1.2}.e{stroke:#ddd}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}">'
    return "\n".join([head, f"<style>{style}</style>", '<rect width="100%" height="100%" style="fill:#fff"/>', *parts, "</svg>", ""])


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}"


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def figure(name, value):
    return f"{value / MIB:.1f} MiB" if "bytes" in name else f"{value:.0f}"


def seen(rows):
    """Lowest, median and highest of each column."""
    for name in ["rss_bytes", "descriptors", "threads", "disk_bytes"]:
        for host in "ab":
            values = [row[f"{host}_{name}"] for row in rows if f"{host}_{name}" in row]
            if values:
                yield f"{name.removesuffix('_bytes')} of {host}", *(figure(name, pick(values)) for pick in (min, statistics.median, max))
    for name in ["p50_ms", "p99_ms"]:
        values = [row[name] for row in rows if row[name] != ""]
        if values:
            yield f"{name.removesuffix('_ms')} of `POST /pixel` in 10 s, ms", *(f"{pick(values):.1f}" for pick in (min, statistics.median, max))


def cpu(rows, host):
    """Seconds that the host's processes were seen to use."""
    used, before = 0.0, (None, 0.0)
    for row in rows:
        if pid := row.get(f"{host}_pid"):
            now = float(row[f"{host}_cpu_s"] or 0)
            used += now - (before[1] if before[0] == pid else 0)
            before = pid, now
    return used


def outcomes(ledger):
    for what in RATES:
        counts = {status: count for (asked, status), count in ledger.outcomes.items() if asked == what}
        taken = sum(count for status, count in counts.items() if 200 <= status < 400)
        other = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(counts.items()) if not 200 <= status < 400)
        yield what, taken, other or "-"


def conclusion(said, folder):
    """What inspect says of two directories below `folder`, with its streams counted instead of listed."""
    lines = said.replace(f"{folder}/", "").strip().splitlines()
    streams = [line for line in lines if line.startswith("stream ")]
    return "\n".join([line for line in lines if line not in streams] + [f"({len(streams)} streams)"])


def write(folder, soak, options, compared, said, fault):
    rows, ledger = soak.sampler.rows, soak.ledger
    (folder / "soak.svg").write_text(plot(rows, soak.happened))
    lasted = rows[-1]["second"] if rows else 0
    busy = statistics.median(row["load_average"] for row in rows) if rows else 0
    happened = Counter((what, host) for _, what, host in soak.happened)
    acknowledged = {app: ledger.acknowledged(app) for app in ledger.writes}
    text = f"""# A soak of {lasted / 60:.0f} minutes

Two hosts behind nginx, all applications under load, disturbed every 40 s: `scripts/soak {options.hours:g}` ([what it does](../../scripts/soak)).

{"**A fault: " + fault + "**" if fault else "Everything that was acknowledged was there in the end, once, on both hosts and in the restored backup; nothing grew without bound."}

- {machine()}; {time.strftime('%Y-%m-%d', time.gmtime(soak.sampler.began))}, commit {run('git', 'rev-parse', '--short', 'HEAD')}, {run(str(soak.pair.binary), '--version')}.
- The machine was shared: its load average was {busy:.1f} in the median, of which this run is some 0.3. So read no latency as one of a quiet machine.
- CPU: host a {100 * cpu(rows, 'a') / max(1, lasted):.1f} % of a core, host b {100 * cpu(rows, 'b') / max(1, lasted):.1f} %. Processes: {soak.pair.a.starts} of a, {soak.pair.b.starts} of b.
- Limits: {', '.join(f'`--keep {app}={number}`' for app, number in KEPT.items())}; segments of 4 MiB.

![Memory, descriptors, disk, p99 and listed pixels over time](soak.svg)

Host a is blue, host b is orange; grey lines are events. A value is the largest of its time.

## What happened

{table(['event', 'to a', 'to b'], [(what, happened[what, 'a'], happened[what, 'b']) for what in dict.fromkeys(what for _, what, _ in soak.happened)])}

## What clients saw

Requests through nginx. The outcome of a refused or lost write is open: it may be stored or not, but at most once. Toys and orders are sent again with their key.

{table(['client', 'taken', 'other answers'], outcomes(ledger))}

Acknowledged: {', '.join(f'{count} {app}' for app, count in acknowledged.items())}. Lists were compared {len(soak.checked)} times, the last with
{soak.checked[-1] if soak.checked else 'nothing'} (those that no limit had reached).

## Figures

{table(['', 'least', 'median', 'most'], seen(rows))}

{table(['host', 'compared', 'middle third', 'last third', ''], [(host, what, figure(what, before), figure(what, after), 'GREW' if grew else 'holds') for host, what, before, after, grew in compared])}

## `pixeld inspect` of a with b, and of a with the restored backup

```text
{chr(10).join(conclusion(each, folder) for each in said) or 'not reached'}
```
"""
    (folder / "soak.md").write_text(text)
