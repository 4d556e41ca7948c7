// What is known of one cell: its colour, when it was set and by which host, and its history.

import { hex, nearest } from "./colours.js";

const at = (id) => document.getElementById(id);

const MOST = 20; // lines of a history
const AGES = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// "3 minutes ago"
function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  const [unit, length] = AGES.find(([, length]) => seconds >= length) ?? ["second", 1];
  return relative.format(-Math.floor(seconds / length), unit);
}

function timeOf(time) {
  const element = document.createElement("time");
  element.dateTime = time;
  element.title = new Date(time).toLocaleString();
  element.textContent = ago(time);
  return element;
}

// Writes of one moment together: a colour comes as three channels.
function moments(history) {
  const found = [];
  for (const { channel, value, time, listed, host } of history) {
    const last = found.at(-1);
    if (last?.time === time && last.host === host && !(channel in last.set)) last.set[channel] = value;
    else found.push({ time, host, listed, set: { [channel]: value } });
  }
  return found;
}

function lineOf({ time, host, listed, set }) {
  const line = document.createElement("li");
  const { R, G, B } = set;
  if ([R, G, B].every((value) => value !== undefined)) {
    const colour = (R << 16) | (G << 8) | B;
    line.append(sample(colour), `${nearest(colour)} ${hex(colour)}, `);
  } else {
    line.append(`${Object.entries(set).map(([channel, value]) => `${channel} ${value}`).join(" ")}, `);
  }
  line.append(timeOf(time), ` by host ${host.slice(0, 8)}${listed ? "" : ", cleared since"}`);
  return line;
}

function sample(colour) {
  const square = document.createElement("i");
  square.style.setProperty("--colour", hex(colour));
  return square;
}

export class Cell {
  x = null;
  y = null;

  // `takes` is called with a colour that the visitor wants to draw with.
  constructor(takes) {
    at("cell-close").addEventListener("click", () => this.close());
    at("cell-take").addEventListener("click", () => takes(this.colour));
    at("cell-history").addEventListener("click", () => this.showHistory());
  }

  // Shows a cell of this colour (null: nobody set it), and then what the server knows of it; gives that in a sentence.
  async look(x, y, colour) {
    Object.assign(this, { x, y, colour });
    at("cell").hidden = false;
    at("cell-place").textContent = `x ${x}, y ${y}`;
    at("cell-past").replaceChildren();
    at("cell-history").hidden = true;
    this.show();
    try {
      const known = await this.ask("");
      if (this.x !== x || this.y !== y) return "";
      this.colour = known.set ? (known.r << 16) | (known.g << 8) | known.b : null;
      this.show(known.time);
      at("cell-history").hidden = false;
    } catch {
      at("cell-text").append(". The server can't be asked when.");
    }
    return at("cell-text").textContent;
  }

  show(time = null) {
    at("cell-take").hidden = this.colour === null;
    if (this.colour === null) return (at("cell-text").textContent = "Nobody has set this cell");
    const since = time ? [", set ", timeOf(time)] : [];
    at("cell-text").replaceChildren(sample(this.colour), `${nearest(this.colour)} ${hex(this.colour)}`, ...since);
  }

  async ask(more) {
    const answer = await fetch(`/canvas/pixel?x=${this.x}&y=${this.y}${more}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  async showHistory() {
    const list = at("cell-past");
    try {
      const { history, next } = await this.ask("&history=1");
      const lines = moments(history).slice(0, MOST).map(lineOf);
      if (!lines.length) {
        const line = document.createElement("li");
        line.textContent = next ? "Nothing lately." : "Nobody ever set it.";
        lines.push(line);
      }
      list.replaceChildren(...lines);
    } catch {
      list.replaceChildren("The server can't be reached.");
    }
  }

  close() {
    if (at("cell").contains(document.activeElement)) at("board").focus();
    at("cell").hidden = true;
    this.x = this.y = null;
  }
}
