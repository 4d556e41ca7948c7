// What this visitor draws: shown at once, sent as a whole when the pointer is lifted, and held until the stream shows it.

import { keep } from "./sending.js";

const SHOWN_MS = 3000; // what was kept is shown by the stream long before
const QUEUE_MOST = 100; // strokes that wait for a server which is away

const name = (x, y) => `${x} ${y}`;

export class Strokes {
  mine = new Map(); // cells that are shown on top: name to [x, y, colour]
  queue = [];
  isSending = false;

  // `changed` is called when there is something new to draw, `told` with the number of strokes that wait for a server which
  // is away, or with a fault.
  constructor(changed, told) {
    Object.assign(this, { changed, told });
    this.stroke = null;
  }

  // ---- Drawing ----

  begin(x, y, colour, size) {
    this.stroke = { cells: new Map(), colour, size, x, y };
    this.dot(x, y);
  }

  // Draws a line from where the stroke is to a cell, without gaps.
  to(x, y) {
    const { stroke } = this;
    const steps = Math.max(Math.abs(x - stroke.x), Math.abs(y - stroke.y));
    const [from_x, from_y] = [stroke.x, stroke.y];
    for (let step = 1; step <= steps; step++) {
      this.dot(Math.round(from_x + ((x - from_x) * step) / steps), Math.round(from_y + ((y - from_y) * step) / steps));
    }
    [stroke.x, stroke.y] = [x, y];
  }

  dot(x, y) {
    const { cells, colour, size } = this.stroke;
    for (const [cx, cy] of brush(x, y, size)) {
      const cell = [cx, cy, colour];
      cells.set(name(cx, cy), cell);
      this.mine.set(name(cx, cy), cell);
    }
    this.changed();
  }

  // Ends the stroke; gives the number of its cells.
  end() {
    const cells = this.stroke ? [...this.stroke.cells.values()] : [];
    this.stroke = null;
    if (cells.length) this.send(cells);
    return cells.length;
  }

  // Takes the stroke back that is being drawn.
  cancel() {
    for (const cell of this.stroke?.cells.keys() ?? []) this.mine.delete(cell);
    this.stroke = null;
    this.changed();
  }

  // ---- Sending ----

  async send(cells) {
    if (this.queue.length >= QUEUE_MOST) {
      this.drop(cells);
      return this.told(this.queue.length, "Too much waits for the server; this stroke is not kept.");
    }
    this.queue.push(cells);
    if (this.isSending) return;
    this.isSending = true;
    while (this.queue.length) {
      const next = this.queue[0];
      try {
        await keep(next, { waits: (is) => this.told(is ? this.queue.length : 0) });
        setTimeout(() => this.drop(next), SHOWN_MS);
      } catch (error) {
        this.drop(next);
        this.told(0, `Not kept: ${error.message}`);
      }
      this.queue.shift();
    }
    this.isSending = false;
  }

  drop(cells) {
    for (const cell of cells) if (this.mine.get(name(cell[0], cell[1])) === cell) this.mine.delete(name(cell[0], cell[1]));
    this.changed();
  }

  // ---- Showing ----

  // The stream has cells of this tile: what it says is what counts.
  seen(tile) {
    if (this.mine.size === 0) return;
    for (const [index] of tile.cells()) {
      const cell = name(tile.column * 64 + (index & 63), tile.row * 64 + (index >> 6));
      if (!this.stroke?.cells.has(cell)) this.mine.delete(cell);
    }
  }

  draw(context, view, ratio) {
    const scale = view.zoom * ratio;
    const edge = (place, middle, size) => Math.round((place - middle) * scale + (size * ratio) / 2);
    for (const [x, y, colour] of this.mine.values()) {
      const [left, top] = [edge(x, view.x, view.width), edge(y, view.y, view.height)];
      context.fillStyle = `#${colour.toString(16).padStart(6, "0")}`;
      context.fillRect(left, top, Math.max(1, edge(x + 1, view.x, view.width) - left), Math.max(1, edge(y + 1, view.y, view.height) - top));
    }
  }
}

// The cells of a square brush around a cell.
export function* brush(x, y, size) {
  const first = -Math.floor(size / 2);
  for (let dy = first; dy < first + size; dy++) {
    for (let dx = first; dx < first + size; dx++) yield [(x + dx) | 0, (y + dy) | 0];
  }
}
