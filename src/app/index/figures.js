// Live figures of this host, from /metrics every two seconds while the page is looked at: a tile and a plot of the last
// minutes for each, the stages of a write, the workers, and the peer where there is one.

const EVERY_MS = 2000;
const READINGS = 150; // kept for the plots: five minutes
const SHOWN = 30; // a plot is at least as wide as so many readings
const BACKOFF_MS = [1000, 15000]; // the first pause after a question without an answer, and the longest
const PATIENCE_MS = 10000; // for one answer

// Answers of a server that does not show its figures to everybody, or not at this address.
const HIDDEN = {
  401: "up; figures need a token",
  403: "up; figures need a token with the scope admin",
  404: "up; figures are at the address for operators",
};

const at = (id) => document.getElementById(id);

// ---- Reading ----

// The samples of Prometheus' text format by their name.
function parsed(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/i.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    if (!samples.has(found[1])) samples.set(found[1], []);
    samples.get(found[1]).push({ labels, value: Number(found[3]) });
  }
  return samples;
}

// What the server counted up to one moment.
class Reading {
  constructor(text, time_s) {
    this.samples = parsed(text);
    this.time_s = time_s;
  }

  // The samples of a name that have these labels.
  of(name, labels = {}) {
    const wanted = Object.entries(labels);
    return (this.samples.get(name) ?? []).filter((one) => wanted.every(([key, value]) => one.labels[key] === value));
  }

  // Their sum; undefined where there is not one.
  sum(name, labels) {
    const found = this.of(name, labels);
    return found.length ? found.reduce((sum, one) => sum + one.value, 0) : undefined;
  }

  // The values that a label of a name has, in their order.
  values(name, label) {
    return [...new Set(this.of(name).map((one) => one.labels[label]))];
  }
}

// What happened between two readings.
class Interval {
  constructor(before, now) {
    this.before = before;
    this.now = now;
    this.seconds = now.time_s - before.time_s;
  }

  // How much a counter grew; undefined where it is not counted, or began anew.
  growth(name, labels) {
    const [before, now] = [this.before.sum(name, labels) ?? 0, this.now.sum(name, labels)];
    return now === undefined || now < before ? undefined : now - before;
  }

  rate(name, labels) {
    const growth = this.growth(name, labels);
    return growth === undefined ? undefined : growth / this.seconds;
  }

  // The value below which a share of a histogram's new entries lie, in its unit: between the bounds of a bucket they are
  // taken as evenly spread. Undefined without entries.
  quantile(name, labels, share) {
    const count = this.growth(name + "_count", labels);
    if (!count) return undefined;
    let [lower, below] = [0, 0];
    for (const { labels: all } of this.now.of(name + "_bucket", labels)) {
      const upper = Number(all.le === "+Inf" ? lower : all.le);
      const upTo = this.growth(name + "_bucket", { ...labels, le: all.le });
      if (upTo >= share * count) return lower + (upper - lower) * ((share * count - below) / (upTo - below || 1));
      [lower, below] = [upper, upTo];
    }
    return lower;
  }
}

// ---- Writing ----

const rounded = (value) => (value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

function seconds(value) {
  if (value >= 1) return value.toFixed(value < 10 ? 2 : 0) + " s";
  if (value >= 1e-3) return (value * 1e3).toFixed(value < 1e-2 ? 2 : 0) + " ms";
  return Math.round(value * 1e6) + " µs";
}

function bytes(value) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024 || unit === "GiB") return value.toFixed(value < 10 && unit !== "B" ? 1 : 0) + " " + unit;
    value /= 1024;
  }
}

function days(value) {
  if (value < 2) return Math.round(value * 24) + " h";
  return value < 730 ? rounded(value) + " days" : Math.round(value / 365) + " years";
}

const perSecond = (value) => rounded(value) + "/s";
const percent = (value) => Math.round(value * 100) + " %";

const STAGE = "pixeld_stage_seconds";

// Infinite is what is not known, or never comes.
const finite = (value) => (Number.isFinite(value) ? value : undefined);

// What has a tile: its name, how its value is found, and how it is written. One without a value is not shown.
const TILES = [
  ["Requests", (is) => is.rate("pixeld_http_requests_total"), perSecond],
  ["Records kept", (is) => is.rate("pixeld_journal_records_total"), perSecond],
  ["Write, p50", (is) => is.quantile(STAGE, { stage: "commit_wait" }, 0.5), seconds],
  ["Write, p99", (is) => is.quantile(STAGE, { stage: "commit_wait" }, 0.99), seconds],
  ["Syncs", (is) => is.rate("pixeld_journal_syncs_total"), perSecond],
  ["Connections", (is) => is.now.sum("pixeld_http_connections"), rounded],
  ["CPU", (is) => is.rate("process_cpu_seconds_total"), percent],
  ["Memory", (is) => is.now.sum("process_resident_memory_bytes"), bytes],
  ["Disk full in", (is) => finite(is.now.sum("pixeld_disk_full_days")), days],
  ["Peer lacks", (is) => is.now.sum("pixeld_replication_lag_records"), (value) => rounded(value) + " records"],
  ["Peer's lag", (is) => is.now.sum("pixeld_replication_lag_seconds"), seconds],
];

const STAGES = [
  ["commit_wait", "Wait for commit"],
  ["peer_wait", "Wait for peer"],
  ["merge", "Merge"],
  ["sync", "Sync"],
  ["apply", "Apply"],
];

// ---- Tiles and their plots ----

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 150, height: 28 };

class Tile {
  constructor([name, find, write]) {
    Object.assign(this, { find, write, values: [] });
    this.group = document.createElement("div");
    this.group.appendChild(document.createElement("dt")).textContent = name;
    const figure = this.group.appendChild(document.createElement("dd"));
    this.value = figure.appendChild(document.createElement("b"));
    this.plot = figure.appendChild(document.createElementNS(SVG, "svg"));
    this.plot.setAttribute("viewBox", `0 0 ${PLOT.width} ${PLOT.height}`);
    this.plot.setAttribute("preserveAspectRatio", "none");
    this.plot.setAttribute("role", "img");
    this.area = this.plot.appendChild(document.createElementNS(SVG, "path"));
    this.line = this.plot.appendChild(document.createElementNS(SVG, "path"));
    this.area.classList.add("area");
  }

  // Takes the value of an interval, or that there is nothing to be known (a gap in the plot).
  show(interval) {
    const value = interval ? this.find(interval) : undefined;
    this.values.push(value);
    if (this.values.length > READINGS) this.values.shift();
    this.group.hidden = this.values.every((one) => one === undefined);
    this.value.textContent = value === undefined ? "–" : this.write(value);
    const known = this.values.filter((one) => one !== undefined);
    if (known.length) this.draw(Math.min(...known), Math.max(...known));
  }

  draw(least, most) {
    // From zero on: a plot that begins elsewhere makes noise look like news.
    const y = (value) => (PLOT.height - 2 - (value / (most || 1)) * (PLOT.height - 4)).toFixed(1);
    const count = this.values.length;
    const x = (index) => ((PLOT.width * (index - count)) / Math.max(SHOWN, count) + PLOT.width).toFixed(1);
    let [line, area, begun] = ["", "", null];
    const close = (end) => (begun === null ? "" : `L${end} ${PLOT.height}L${begun} ${PLOT.height}Z`);
    this.values.forEach((value, index) => {
      if (value === undefined) {
        area += close(x(index - 1));
        begun = null;
        return;
      }
      const step = `${begun === null ? "M" : "L"}${x(index)} ${y(value)}`;
      begun ??= x(index);
      line += step;
      area += step;
    });
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area + close(x(count - 1)));
    const minutes = Math.max(1, Math.round((count * EVERY_MS) / 60000));
    const range = `${this.write(least)} to ${this.write(most)} in the last ${minutes} min`;
    this.plot.setAttribute("aria-label", range);
  }
}

const tiles = TILES.map((one) => new Tile(one));
at("tiles").append(...tiles.map((tile) => tile.group));

// ---- Tables ----

function row(name, ...cells) {
  const line = document.createElement("tr");
  const head = line.appendChild(document.createElement("th"));
  head.scope = "row";
  head.textContent = name;
  for (const text of cells) line.appendChild(document.createElement("td")).textContent = text;
  return line;
}

function fill(table, rows) {
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = rows.length === 0;
}

function showStages(interval) {
  const written = (value) => (value === undefined ? "–" : seconds(value));
  const rows = [];
  for (const [stage, name] of STAGES) {
    const rate = interval.rate(STAGE + "_count", { stage });
    if (rate === undefined) continue;
    const [p50, p99] = [0.5, 0.99].map((share) => interval.quantile(STAGE, { stage }, share));
    rows.push(row(name, written(p50), written(p99), rounded(rate)));
  }
  fill(at("stages"), rows);
}

function showWorkers(interval) {
  const rows = interval.now.values("pixeld_worker_connections", "worker").map((worker) => {
    const cpu = interval.rate("pixeld_worker_cpu_seconds_total", { worker });
    const connections = interval.now.sum("pixeld_worker_connections", { worker });
    const line = row(worker, rounded(connections), cpu === undefined ? "–" : percent(cpu));
    line.lastChild.style.setProperty("--share", `${Math.min(100, (cpu ?? 0) * 100)}%`);
    return line;
  });
  fill(at("workers"), rows);
}

// ---- What is wrong, and whether anybody is there ----

function warn(text) {
  // Said once: the region is read out whenever it changes.
  if (at("warning").textContent !== text) at("warning").textContent = text;
  at("warning").hidden = !text;
}

function say(text, kind) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.dataset.kind = kind;
}

// In words, what /metrics says is not as it should be.
function troubles(now) {
  const found = [];
  const refused = now.of("pixeld_writes_refused").find((one) => one.value === 1);
  if (refused) found.push(`Writes are refused (${refused.labels.reason.replaceAll("_", " ")}); /health says why.`);
  if (now.sum("pixeld_joining")) found.push("This host is joining the other one.");
  if (now.sum("pixeld_replication_apart")) found.push("The two hosts have parted; /health says what to do.");
  return found.join(" ");
}

function stateOf(now) {
  if (!now.sum("pixeld_ready")) return ["not ready", "away"];
  const peer = now.of("pixeld_replication_state").find((one) => one.value === 1);
  if (!peer) return ["up", "up"];
  return peer.labels.state === "connected" ? ["up, peer connected", "up"] : ["up, peer away", "alone"];
}

// ---- The turn ----

let before = null;
let pause_ms = 0;
let timer = 0;

function show(now) {
  if (before && now.time_s > before.time_s) {
    const interval = new Interval(before, now);
    for (const tile of tiles) tile.show(interval);
    showStages(interval);
    showWorkers(interval);
    at("tiles").hidden = false;
  }
  before = now;
  warn(troubles(now));
  say(...stateOf(now));
}

async function turn() {
  clearTimeout(timer);
  if (document.hidden) return; // looked at again, it goes on
  try {
    const answer = await fetch("/metrics", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (HIDDEN[answer.status]) {
      say(HIDDEN[answer.status], "up");
      timer = setTimeout(turn, BACKOFF_MS[1]);
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    show(new Reading(await answer.text(), performance.now() / 1000));
    pause_ms = 0;
    timer = setTimeout(turn, EVERY_MS);
  } catch {
    pause_ms = Math.min(BACKOFF_MS[1], pause_ms * 2 || BACKOFF_MS[0]);
    if (before) for (const tile of tiles) tile.show(null);
    before = null;
    say(`no answer; next try in ${Math.round(pause_ms / 1000)} s`, "away");
    timer = setTimeout(turn, pause_ms);
  }
}

document.addEventListener("visibilitychange", turn);
addEventListener("online", turn);
turn();
