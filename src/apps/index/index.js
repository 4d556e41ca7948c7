// Live figures for the index page, from /health and /metrics, once a second while the page is looked at.
"use strict";

const state = document.getElementById("state");
const figures = document.getElementById("figures");
let before = null;

// The samples of Prometheus' text format, those of one name added up over their labels.
function sums(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const sample = /^([a-z_:]+)(?:\{.*\})?\s+(\S+)/i.exec(line);
    if (sample) found.set(sample[1], (found.get(sample[1]) || 0) + Number(sample[2]));
  }
  return found;
}

async function look() {
  const [health, metrics] = await Promise.all([fetch("/health"), fetch("/metrics")]);
  return {
    time: performance.now() / 1000,
    health: health.ok ? await health.json() : {},
    metrics: metrics.ok ? sums(await metrics.text()) : new Map(),
  };
}

// How much a counter grew per second since the last look.
function rate(now, name) {
  if (!before || !now.metrics.has(name) || !before.metrics.has(name)) return undefined;
  return Math.max(0, now.metrics.get(name) - before.metrics.get(name)) / (now.time - before.time);
}

function mean(now, name) {
  const count = rate(now, name + "_count");
  return count ? rate(now, name + "_sum") / count : undefined;
}

function peer(peer) {
  if (!peer) return undefined;
  const lag = peer.lag_records ? `, ${Math.round(peer.lag_records).toLocaleString("en")} records behind` : "";
  return peer.state + lag;
}

function show(now) {
  const whole = (n) => n === undefined ? undefined : Math.round(n).toLocaleString("en");
  const millis = (s) => s === undefined ? undefined : (s * 1000).toFixed(2) + " ms";
  const rows = [
    ["pixels kept", whole(now.health.store_size)],
    ["pixels per second", whole(rate(now, "pixeld_ingest_pixels_total"))],
    ["requests per second", whole(rate(now, "pixeld_http_requests_total"))],
    ["open connections", whole(now.metrics.get("pixeld_http_connections"))],
    ["mean sync", millis(mean(now, "pixeld_journal_fsync_seconds"))],
    ["second host", peer(now.health.peer)],
    ["process", now.health.pid === undefined ? undefined : String(now.health.pid)],
  ];
  const nodes = [];
  for (const [name, value] of rows) {
    if (value === undefined) continue;
    const group = document.createElement("div");
    const term = group.appendChild(document.createElement("dt"));
    const figure = group.appendChild(document.createElement("dd"));
    term.textContent = name;
    figure.textContent = value;
    nodes.push(group);
  }
  figures.replaceChildren(...nodes);
  figures.hidden = false;
}

async function turn() {
  if (!document.hidden) {
    try {
      const now = await look();
      show(now);
      before = now;
      state.textContent = now.health.status || "up";
    } catch {
      state.textContent = "No answer; trying again.";
      before = null;
    }
  }
  setTimeout(turn, 1000);
}

turn();
