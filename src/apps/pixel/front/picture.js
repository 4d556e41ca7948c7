// A picture that is dropped on the canvas: it is put into its place, and then painted in parts, with progress.

import { keep } from "./sending.js";

const at = (id) => document.getElementById(id);

const SIDE_MOST = 1024; // cells of a side
const SHARE = 0.6; // of what is seen that a picture takes at first
const PART = 4096; // cells of one request
const OPAQUE = 128; // alpha from which on a pixel is painted

export class Picture {
  source = null;
  work = null; // aborts the painting

  // `changed` is called when there is something new to draw, `told` with a sentence.
  constructor(view, changed, told) {
    Object.assign(this, { view, changed, told });
    this.canvas = document.createElement("canvas");
    for (const id of ["picture-x", "picture-y", "picture-width"]) at(id).addEventListener("input", () => this.read());
    at("picture").addEventListener("submit", (event) => {
      event.preventDefault();
      this.paint();
    });
    at("picture-cancel").addEventListener("click", () => this.close());
    at("picture-file").addEventListener("change", () => this.take(at("picture-file").files[0]));
  }

  // A picture is being put into its place: a pointer moves it.
  get isPlaced() {
    return this.source !== null && this.work === null;
  }

  // Takes a file, and puts its picture into the middle of what is seen.
  async take(file) {
    at("picture-file").value = "";
    if (!file || this.work) return;
    try {
      this.source = await createImageBitmap(file);
    } catch {
      return this.told(`${file.name} is no picture that this browser can read.`);
    }
    const { left, top, right, bottom } = this.view.edges();
    const { width, height } = this.source;
    const least = Math.min(((right - left) * SHARE) / width, ((bottom - top) * SHARE) / height, SIDE_MOST / Math.max(width, height), 1);
    at("picture-name").textContent = file.name;
    at("picture-width").max = Math.max(1, Math.floor(SIDE_MOST * Math.min(1, width / height)));
    this.resize(Math.round(width * least));
    this.moveTo(Math.round((left + right - this.width) / 2), Math.round((top + bottom - this.height) / 2));
    this.progress(null);
    at("picture").hidden = false;
    at("picture-paint").focus();
  }

  // Draws it as wide as this, in cells.
  resize(width) {
    this.width = Math.max(1, Math.min(width, at("picture-width").max));
    this.height = Math.max(1, Math.round((this.source.height * this.width) / this.source.width));
    [this.canvas.width, this.canvas.height] = [this.width, this.height];
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = this.width < this.source.width; // a picture that grows keeps its edges
    context.imageSmoothingQuality = "high";
    context.drawImage(this.source, 0, 0, this.width, this.height);
    at("picture-size").textContent = `${this.width} × ${this.height} cells`;
    if (Number(at("picture-width").value) !== this.width) at("picture-width").value = this.width;
  }

  moveTo(x, y) {
    [this.x, this.y] = [x, y];
    [at("picture-x").value, at("picture-y").value] = [Math.round(x), Math.round(y)];
    this.changed();
  }

  moveBy(dx, dy) {
    this.moveTo(this.x + dx, this.y + dy);
  }

  // Takes what was typed.
  read() {
    if (!at("picture").checkValidity()) return;
    if (Number(at("picture-width").value) !== this.width) this.resize(Number(at("picture-width").value));
    [this.x, this.y] = [Number(at("picture-x").value), Number(at("picture-y").value)];
    this.changed();
  }

  // ---- Painting ----

  cells() {
    const { data } = this.canvas.getContext("2d").getImageData(0, 0, this.width, this.height);
    const [x, y] = [Math.round(this.x), Math.round(this.y)];
    const cells = [];
    for (let index = 0; index < this.width * this.height; index++) {
      const [r, g, b, a] = data.subarray(index * 4, index * 4 + 4);
      if (a >= OPAQUE) cells.push([(x + (index % this.width)) | 0, (y + Math.floor(index / this.width)) | 0, (r << 16) | (g << 8) | b]);
    }
    return cells;
  }

  async paint() {
    if (!this.isPlaced) return;
    const cells = this.cells();
    this.work = new AbortController();
    const waits = (is) => (at("picture-note").textContent = is ? "Waiting for the server …" : "");
    try {
      for (let done = 0; done < cells.length; done += PART) {
        this.progress(done / cells.length);
        await keep(cells.slice(done, done + PART), { signal: this.work.signal, waits });
      }
      this.told(`${at("picture-name").textContent} is painted: ${cells.length.toLocaleString("en")} cells.`);
    } catch (error) {
      this.told(error.name === "AbortError" ? "Stopped; what was painted stays." : `Not painted to its end: ${error.message}`);
    }
    this.work = null;
    this.close();
  }

  progress(share) {
    at("picture-progress").hidden = share === null;
    at("picture-progress").value = share ?? 0;
    at("picture-note").textContent = "";
    at("picture-paint").hidden = share !== null;
    at("picture-cancel").textContent = share === null ? "Cancel" : "Stop";
    for (const id of ["picture-x", "picture-y", "picture-width"]) at(id).disabled = share !== null;
  }

  // Takes the picture away; stops what is being painted.
  close() {
    if (this.work) return this.work.abort();
    const hadFocus = at("picture").contains(document.activeElement);
    this.source?.close();
    this.source = null;
    at("picture").hidden = true;
    if (hadFocus) at("board").focus();
    this.changed();
  }

  draw(context, view, ratio) {
    if (!this.source) return;
    const scale = view.zoom * ratio;
    const edge = (place, middle, size) => Math.round((place - middle) * scale + (size * ratio) / 2);
    const [x, y] = [Math.round(this.x), Math.round(this.y)];
    const [left, top] = [edge(x, view.x, view.width), edge(y, view.y, view.height)];
    const [wide, high] = [edge(x + this.width, view.x, view.width) - left, edge(y + this.height, view.y, view.height) - top];
    context.imageSmoothingEnabled = scale < 1;
    context.globalAlpha = 0.85;
    context.drawImage(this.canvas, left, top, wide, high);
    context.globalAlpha = 1;
    context.lineWidth = 2 * ratio;
    context.strokeStyle = "#2f6fed";
    context.strokeRect(left, top, wide, high);
  }
}
