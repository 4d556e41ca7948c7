// The canvas on the index page: what is seen, drawn and told. Each file beside this one has one part of it.

import { Cell } from "./cell.js";
import { Chunks } from "./chunks.js";
import { hex, nearest, usual } from "./colours.js";
import { listen } from "./keys.js";
import { Live } from "./live.js";
import { Picture } from "./picture.js";
import { Pointer } from "./pointer.js";
import { Strokes, brush } from "./strokes.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id);

const GRID_FROM = 10; // CSS pixels of a cell from which on lines are drawn between cells
const TEXT_MS = 1500; // between two descriptions of what is seen
const SAMPLE = 96; // pixels of a side of the picture that is described
const FAULT_MS = 8000;
const ASK_MS = 1000; // between two questions while the server draws the picture anew

const board = at("board");
const context = board.getContext("2d");
const number = (value) => value.toLocaleString("en");

let bounds = null; // of all cells that are set
let pixels = 0; // listed
let cursor = null; // the cell under the pointer or the keyboard's cursor
let ratio = 1; // device pixels for each CSS pixel

// ---- Drawing, at most once a frame ----

let isDue = false;

function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

function draw() {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, board.width, board.height);
  chunks.draw(context, view, ratio);
  strokes.draw(context, view, ratio);
  const hasGrid = view.zoom >= GRID_FROM;
  if (hasGrid) drawGrid();
  board.parentElement.classList.toggle("plain", hasGrid);
  picture.draw(context, view, ratio);
  if (cursor && !picture.source) drawCursor();
}

function drawGrid() {
  const { left, top, right, bottom } = view.edges();
  const scale = view.zoom * ratio;
  const x = (place) => Math.round((place - view.x) * scale + board.width / 2) + 0.5;
  const y = (place) => Math.round((place - view.y) * scale + board.height / 2) + 0.5;
  context.beginPath();
  for (let column = Math.ceil(left); column < right; column++) context.rect(x(column), 0, 0, board.height);
  for (let line = Math.ceil(top); line < bottom; line++) context.rect(0, y(line), board.width, 0);
  context.lineWidth = 1;
  context.strokeStyle = "rgb(128 128 128 / .18)";
  context.stroke();
}

function drawCursor() {
  const scale = view.zoom * ratio;
  const size = tools.tool === "draw" ? tools.size : 1;
  const [[x, y]] = brush(...cursor, size);
  const box = [(x - view.x) * scale + board.width / 2, (y - view.y) * scale + board.height / 2, size * scale, size * scale].map(Math.round);
  if (tools.tool === "draw") {
    context.globalAlpha = 0.6;
    context.fillStyle = hex(tools.colour);
    context.fillRect(...box);
    context.globalAlpha = 1;
  }
  // Seen on any colour: black around white.
  for (const [width, colour] of [[3, "#000"], [1, "#fff"]]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.strokeRect(...box);
  }
}

// Does something while the cursor, which is drawn on top, is not there.
function withoutCursor(act) {
  const before = cursor;
  cursor = null;
  draw();
  const result = act();
  cursor = before;
  redraw();
  return result;
}

function resize() {
  ratio = devicePixelRatio || 1;
  const box = board.parentElement.getBoundingClientRect();
  const [width, height] = [Math.max(1, Math.floor(box.width)), Math.max(1, Math.floor(box.height))];
  [board.width, board.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  view.resize(width, height);
  draw(); // at once: a canvas that was resized is empty
}

// ---- What is told ----

let faultTimer = 0;
let isConnected = true;
let stateText = ""; // of what goes on for a while
let isTextDue = false;
let hasStarted = false;

// Shows a state until the next one, or a fault for some seconds.
function tell(text, isFault = false) {
  if (!isFault) stateText = text;
  at("canvas-state").textContent = text || stateText;
  at("canvas-state").hidden = !(text || stateText);
  at("canvas-state").classList.toggle("fault", isFault || !isConnected);
  clearTimeout(faultTimer);
  if (isFault) faultTimer = setTimeout(() => tell(stateText), FAULT_MS);
}

function say(text) {
  at("canvas-said").textContent = text;
}

// Says in words what is to be seen, for those who can't see it.
function describe() {
  isTextDue = false;
  if (!hasStarted) return;
  at("invitation").hidden = bounds !== null;
  if (!bounds) return (at("canvas-text").textContent = "Nothing is drawn yet.");
  const small = document.createElement("canvas");
  small.width = small.height = SAMPLE;
  const sampled = small.getContext("2d", { willReadFrequently: true });
  sampled.imageSmoothingEnabled = false; // a mixture of two colours is neither
  withoutCursor(() => sampled.drawImage(board, 0, 0, SAMPLE, SAMPLE));
  const colours = usual(sampled.getImageData(0, 0, SAMPLE, SAMPLE).data);
  const { left, top, right, bottom } = view.edges();
  const range = (from, to) => `${number(Math.floor(from))} to ${number(Math.ceil(to) - 1)}`;
  at("canvas-text").textContent =
    `Cells from x ${number(bounds.x_min)} to ${number(bounds.x_max)} and y ${number(bounds.y_min)} to ${number(bounds.y_max)}, ` +
    `${number(pixels)} pixels kept. In view: x ${range(left, right)}, y ${range(top, bottom)}` +
    (colours ? `, mostly ${colours}.` : ", nothing set.");
}

function describeSoon() {
  if (isTextDue) return;
  isTextDue = true;
  setTimeout(describe, TEXT_MS);
}

// The place in the address, so that a link leads there.
let linkTimer = 0;

function noteLink() {
  clearTimeout(linkTimer);
  linkTimer = setTimeout(() => history.replaceState(null, "", `#${Math.floor(view.x)},${Math.floor(view.y)},${Number(view.zoom.toPrecision(3))}`), 500);
}

// Shows the place that the address names, if it names one.
function follow() {
  const found = /^#(-?\d+),(-?\d+),([\d.]+)$/.exec(location.hash);
  const [x, y, zoom] = found?.slice(1).map(Number) ?? [];
  if (found) view.moveTo(x + 0.5, y + 0.5, zoom);
  return Boolean(found);
}

// ---- The parts ----

const view = new View(() => {
  redraw();
  describeSoon();
});
const chunks = new Chunks(redraw, (cursor) => live.isElsewhere(cursor));
const strokes = new Strokes(redraw, (waiting, fault) => {
  if (fault) tell(fault, true);
  else tell(waiting ? `The server is away; ${waiting === 1 ? "your stroke waits" : `${waiting} strokes wait`} for it.` : "");
});
const tools = new Tools(() => {
  board.dataset.tool = at("tools").querySelector("[name=tool]:checked")?.value;
  redraw();
});
const picture = new Picture(view, redraw, (text) => {
  tell(text, true);
  say(text);
});
const cell = new Cell((colour) => {
  tools.take(colour);
  tools.choose("draw");
  cell.close();
});

function colourAt([x, y]) {
  const scale = view.zoom * ratio;
  const [px, py] = [(x + 0.5 - view.x) * scale + board.width / 2, (y + 0.5 - view.y) * scale + board.height / 2];
  const [r, g, b, a] = withoutCursor(() => context.getImageData(Math.floor(px), Math.floor(py), 1, 1).data);
  return a ? (r << 16) | (g << 8) | b : null;
}

function pick(place) {
  const colour = colourAt(place);
  if (colour === null) return say("Nothing is set here.");
  tools.take(colour);
  tools.choose("draw");
  say(`${nearest(colour)} ${hex(colour)} is taken.`);
}

function hover(place) {
  cursor = place;
  at("place").textContent = place ? `${place[0]}, ${place[1]}` : "";
  redraw();
}

// Moves the keyboard's cursor and says what is there.
function step(dx, dy) {
  if (picture.isPlaced) return picture.moveBy(dx, dy);
  const [x, y] = cursor ?? [Math.floor(view.x), Math.floor(view.y)];
  hover([(x + dx) | 0, (y + dy) | 0]);
  view.reveal(...cursor);
  const colour = colourAt(cursor);
  say(`x ${cursor[0]}, y ${cursor[1]}: ${colour === null ? "not set" : nearest(colour)}`);
}

function paint() {
  if (picture.isPlaced) return picture.paint();
  if (!cursor) return;
  strokes.begin(...cursor, tools.colour, tools.size);
  strokes.end();
  say(`${nearest(tools.colour)} at x ${cursor[0]}, y ${cursor[1]}`);
}

async function look(place) {
  say(await cell.look(...place, colourAt(place)));
}

const pointer = new Pointer(board, view, () => (picture.isPlaced ? "place" : tools.tool), {
  begin: (place) => strokes.begin(...place, tools.colour, tools.size),
  to: (place) => strokes.to(...place),
  end: () => strokes.end(),
  cancel: () => strokes.cancel(),
  press: (place) => (tools.tool === "pick" ? pick(place) : look(place)),
  place: (dx, dy) => picture.moveBy(dx, dy),
  hover,
});

listen(board, {
  step,
  paint,
  look: () => cursor && look(cursor),
  pick: () => cursor && pick(cursor),
  fit: () => view.fit(bounds),
  zoom: (factor) => view.zoomBy(factor),
  colour: (by) => {
    tools.step(by);
    say(nearest(tools.colour));
  },
  tool: (name) => tools.choose(name),
  space: (is) => (pointer.isSpace = is),
  leave: () => (picture.source ? picture.close() : cell.close()),
});

for (const [id, act] of [
  ["zoom-in", () => view.zoomBy(1.6)],
  ["zoom-out", () => view.zoomBy(1 / 1.6)],
  ["zoom-fit", () => view.fit(bounds)],
]) {
  at(id).addEventListener("click", act);
}

// ---- Dropping a picture ----

const drop = board.parentElement;
const hasFile = (event) => event.dataTransfer?.types.includes("Files");

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    drop.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") picture.take(event.dataTransfer.files[0]);
  });
}

// ---- The stream, and the start ----

function grow(tile) {
  const [x, y] = [tile.column * 64, tile.row * 64];
  for (const [index, , , , a] of tile.cells()) {
    if (a === 0) continue;
    const [cx, cy] = [x + (index & 63), y + (index >> 6)];
    bounds ??= { x_min: cx, x_max: cx, y_min: cy, y_max: cy };
    bounds.x_min = Math.min(bounds.x_min, cx);
    bounds.x_max = Math.max(bounds.x_max, cx);
    bounds.y_min = Math.min(bounds.y_min, cy);
    bounds.y_max = Math.max(bounds.y_max, cy);
  }
}

function taken(frame) {
  pixels = frame.pixels;
  if (frame.isReload) {
    chunks.reload();
    ask();
  }
  if (frame.forgets) {
    chunks.clear();
    bounds = null;
  }
  for (const tile of frame.tiles()) {
    chunks.apply(tile);
    strokes.seen(tile);
    grow(tile);
  }
  redraw();
  describeSoon();
}

const live = new Live(taken, (isThere, pause_ms) => {
  isConnected = isThere;
  tell(isThere ? "" : `The server is away; next try in ${Math.max(1, Math.round(pause_ms / 1000))} s. You can go on drawing.`);
});

// Asks how large the canvas is, until it is told and the picture is whole; gives the first answer's cursor.
async function ask() {
  for (let pause = ASK_MS; ; pause = Math.min(pause * 2, 15000)) {
    try {
      const answer = await fetch("/canvas.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const canvas = await answer.json();
      ({ bounds, pixels } = canvas);
      describeSoon();
      if (canvas.drawn < 1) {
        tell(`The picture is being drawn: ${Math.floor(canvas.drawn * 100)} %`);
        setTimeout(ask, ASK_MS);
      } else if (isConnected) tell("");
      return canvas.cursor;
    } catch {
      isConnected = false;
      tell("The server is away; trying again.");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

async function start() {
  for (const element of document.querySelectorAll("#canvas [data-script]")) element.hidden = false;
  new ResizeObserver(resize).observe(board.parentElement);
  resize();
  const first = await ask();
  if (!follow()) view.fit(bounds);
  addEventListener("hashchange", follow);
  view.moved = () => {
    redraw();
    describeSoon();
    noteLink();
  };
  [isConnected, hasStarted] = [true, true];
  live.start(first);
  // Not before: what was loaded earlier than that cursor could lack changes that the stream does not bring.
  chunks.open();
}

start();
