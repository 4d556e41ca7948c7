// The index page: sends the forms of the cards and shows each answer below its form, and live figures from /health and
// /metrics, once a second while the page is looked at.
"use strict";

// ---- Forms to try ----

const SHOWN = 300; // characters of an answer: a Fibonacci number has up to 200,000 digits

// What a form sends, by the word in its data-send.
const ways = {
  nothing: () => ({}),
  json(form) {
    const fields = [...form.elements].filter((field) => field.name);
    const value = (field) => (field.type === "number" ? Number(field.value) : field.value);
    const body = JSON.stringify(Object.fromEntries(fields.map((field) => [field.name, value(field)])));
    return { body, headers: { "Content-Type": "application/json" } };
  },
  picture(form) {
    const [file] = form.elements.file.files;
    const kind = ["image/png", "image/jpeg", "image/gif"].includes(file.type) ? file.type : "image/png";
    return { body: file, headers: { "Content-Type": kind } };
  },
};

// An error of the shop is a page, whose last paragraph says what is wrong.
async function textOf(answer) {
  const text = await answer.text();
  if (!(answer.headers.get("Content-Type") || "").startsWith("text/html")) return text.trim();
  const page = new DOMParser().parseFromString(text, "text/html");
  const sentences = page.querySelectorAll("p");
  return sentences.length ? sentences[sentences.length - 1].textContent : page.body.textContent;
}

function tell(form, text, note, picture) {
  const output = form.querySelector("output") || form.appendChild(document.createElement("output"));
  const small = document.createElement("small");
  small.textContent = note;
  const cut = text.length > SHOWN ? text.slice(0, SHOWN) + `... (${text.length} characters)` : text;
  output.replaceChildren(cut, small, ...(picture ? [picture] : []));
}

// The thumbnail, once it is made: the question for it is held until then, 10 s at most.
async function thumbnailOf(id) {
  const answer = await fetch(`/images/${id}`);
  if (answer.status !== 200) throw new Error((await answer.json()).message || `The server answered ${answer.status}`);
  const picture = document.createElement("img");
  picture.alt = "The thumbnail";
  picture.src = `/images/${id}/thumbnail?encoding=binary`;
  return picture;
}

async function send(form, address) {
  const way = ways[form.dataset.send](form);
  const answer = await fetch(address, { method: "POST", ...way, headers: { Accept: "application/json", ...way.headers } });
  const text = await textOf(answer);
  const durability = answer.headers.get("Durability");
  const note = answer.status + (durability ? ` · durability: ${durability}` : "");
  form.classList.toggle("failed", !answer.ok);
  const isPicture = answer.ok && form.dataset.send === "picture";
  tell(form, text, note, isPicture ? await thumbnailOf(JSON.parse(text).media_id) : null);
}

async function submitted(event) {
  event.preventDefault();
  const form = event.target;
  const button = event.submitter || form.querySelector("button");
  // Not `disabled`: a button that is would lose the focus of whoever pressed it.
  if (form.querySelector("[aria-disabled=true]")) return;
  button.setAttribute("aria-disabled", "true");
  try {
    await send(form, button.hasAttribute("formaction") ? button.formAction : form.action);
  } catch (error) {
    form.classList.add("failed");
    tell(form, error instanceof TypeError ? "No answer. Is the server up?" : error.message, "");
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

for (const form of document.querySelectorAll("form[data-send]")) {
  const output = form.appendChild(document.createElement("output"));
  output.setAttribute("aria-live", "polite");
  form.hidden = false;
  form.addEventListener("submit", submitted);
}

// ---- Live figures ----

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
    ["peer", peer(now.health.peer)],
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
