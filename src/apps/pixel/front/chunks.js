// The picture of the canvas, in chunks that are loaded where they are looked at and follow the stream of changes.
//
// A chunk of level n is a square of SIDE pixels, each of which shows 2^n x 2^n cells. A change that comes while a chunk
// is on its way is drawn on top of it again: the stream brings the latest value of a cell, so what is drawn twice or too
// early is put right by what comes behind.

const SIDE = 512;
const TILE = 64; // cells of a side of what a frame groups
const LEVELS = 7;
const KEPT = 96; // chunks, of 1 MiB each
const AT_ONCE = 3; // loads; a browser has six connections to a host, and the stream has one of them
const MEANWHILE = 2000; // tiles that are remembered for a chunk on its way; with more it is loaded again
const REFRESH_MS = 1500; // how old a scaled chunk with changes may get
const RETRY_MS = 2000;
const STRAYS = 3; // doublings of the time after which a picture of another host is loaded again

class Chunk {
  constructor(level, column, row) {
    Object.assign(this, { level, column, row });
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = SIDE;
    this.context = this.canvas.getContext("2d");
    this.isThere = false; // there is something to show
    this.isLoading = false;
    this.isStale = true; // to be loaded
    this.notBefore = 0; // when, milliseconds
    this.meanwhile = [];
    this.strays = 0; // pictures of another host than the stream's, in a row
    this.used = 0;
  }

  // Cells of a side.
  get span() {
    return SIDE * 2 ** this.level;
  }

  get path() {
    const { span } = this;
    const scale = this.level ? `1/${2 ** this.level}` : "1";
    return `/canvas.png?x=${this.column * span}&y=${this.row * span}&w=${span}&h=${span}&scale=${scale}`;
  }
}

export class Chunks {
  chunks = new Map();
  loading = 0;
  turn = 0;
  isOpen = false;
  wake = null;
  scratch = document.createElement("canvas");

  // `changed` is called when there is something new to draw; `isElsewhere` tells of a picture's cursor whether it is of another
  // host than the stream.
  constructor(changed, isElsewhere) {
    Object.assign(this, { changed, isElsewhere });
    this.scratch.width = this.scratch.height = TILE;
    this.ink = this.scratch.getContext("2d");
    this.square = this.ink.createImageData(TILE, TILE);
  }

  // Lets loads begin.
  open() {
    this.isOpen = true;
    this.changed();
  }

  get(level, column, row) {
    return this.chunks.get(`${level} ${column} ${row}`);
  }

  // Draws what a view shows into a context with `ratio` device pixels for each CSS pixel, and loads what it lacks.
  draw(context, view, ratio) {
    this.turn += 1;
    const scale = view.zoom * ratio;
    const level = Math.min(LEVELS - 1, Math.max(0, Math.floor(-Math.log2(scale))));
    const span = SIDE * 2 ** level;
    const edges = view.edges();
    const wanted = [];
    for (let row = Math.floor(edges.top / span); row * span < edges.bottom; row++) {
      for (let column = Math.floor(edges.left / span); column * span < edges.right; column++) {
        if (Math.max(Math.abs(column + 0.5), Math.abs(row + 0.5)) * span > 2 ** 31) continue;
        wanted.push(this.use(level, column, row));
      }
    }
    context.imageSmoothingEnabled = scale * 2 ** level < 1;
    for (const chunk of wanted) this.show(context, view, ratio, chunk);
    this.load(wanted, view);
    this.forgetOld();
  }

  use(level, column, row) {
    let chunk = this.get(level, column, row);
    if (!chunk) {
      chunk = new Chunk(level, column, row);
      this.chunks.set(`${level} ${column} ${row}`, chunk);
    }
    chunk.used = this.turn;
    return chunk;
  }

  // Draws one chunk, and while it is not there a coarser one in its place.
  show(context, view, ratio, chunk) {
    const { span } = chunk;
    const scale = view.zoom * ratio;
    // Both edges are rounded, so that neighbours meet.
    const [left, right] = [0, 1].map((end) => Math.round(((chunk.column + end) * span - view.x) * scale + (view.width * ratio) / 2));
    const [top, bottom] = [0, 1].map((end) => Math.round(((chunk.row + end) * span - view.y) * scale + (view.height * ratio) / 2));
    const target = [left, top, right - left, bottom - top];
    if (chunk.isThere) return context.drawImage(chunk.canvas, ...target);
    for (let up = 1; chunk.level + up < LEVELS; up++) {
      const coarse = this.get(chunk.level + up, chunk.column >> up, chunk.row >> up);
      if (!coarse?.isThere) continue;
      const part = SIDE / 2 ** up;
      const [x, y] = [chunk.column, chunk.row].map((place) => (place - ((place >> up) << up)) * part);
      return context.drawImage(coarse.canvas, x, y, part, part, ...target);
    }
  }

  // Begins the loads that are due, nearest to the middle first.
  load(wanted, view) {
    if (!this.isOpen) return;
    const now = performance.now();
    const middle = (chunk) => Math.hypot((chunk.column + 0.5) * chunk.span - view.x, (chunk.row + 0.5) * chunk.span - view.y);
    const lacking = wanted.filter((chunk) => chunk.isStale && !chunk.isLoading);
    const due = lacking.filter((chunk) => chunk.notBefore <= now).sort((one, other) => middle(one) - middle(other));
    for (const chunk of due.slice(0, AT_ONCE - this.loading)) this.fetch(chunk);
    if (due.length < lacking.length) {
      this.wake ??= setTimeout(() => {
        this.wake = null;
        this.changed();
      }, REFRESH_MS);
    }
  }

  async fetch(chunk) {
    this.loading += 1;
    chunk.isLoading = true;
    chunk.isStale = false;
    chunk.meanwhile = [];
    try {
      const answer = await fetch(chunk.path);
      if (!answer.ok) throw new Error(`${answer.status}`);
      // While the server draws the picture anew after a start, it is asked again.
      const isWhole = !answer.headers.has("Pixeld-Drawn") && !answer.headers.has("Pixeld-Behind");
      const picture = await createImageBitmap(await answer.blob());
      chunk.context.clearRect(0, 0, SIDE, SIDE);
      chunk.context.drawImage(picture, 0, 0);
      picture.close();
      chunk.isThere = true;
      chunk.strays = this.isElsewhere(answer.headers.get("Pixeld-Cursor")) ? chunk.strays + 1 : 0;
      chunk.notBefore = performance.now() + REFRESH_MS * 2 ** Math.min(STRAYS, chunk.strays);
      chunk.isStale ||= chunk.strays > 0 || !isWhole || chunk.meanwhile.length >= MEANWHILE;
      for (const tile of chunk.meanwhile) this.put(chunk, tile);
    } catch {
      chunk.isStale = true;
      chunk.notBefore = performance.now() + RETRY_MS;
    }
    chunk.meanwhile = [];
    chunk.isLoading = false;
    this.loading -= 1;
    this.changed();
  }

  forgetOld() {
    if (this.chunks.size <= KEPT) return;
    const old = [...this.chunks].filter(([, chunk]) => chunk.used < this.turn && !chunk.isLoading);
    old.sort(([, one], [, other]) => one.used - other.used);
    for (const [key] of old.slice(0, this.chunks.size - KEPT)) this.chunks.delete(key);
  }

  // Draws the cells of one tile that have changed.
  apply(tile) {
    for (let level = 0; level < LEVELS; level++) {
      const by = Math.log2(SIDE / TILE) + level;
      const chunk = this.get(level, tile.column >> by, tile.row >> by);
      if (!chunk) continue;
      if (chunk.isLoading && chunk.meanwhile.length < MEANWHILE) chunk.meanwhile.push(tile);
      if (chunk.isThere) this.put(chunk, tile);
    }
  }

  put(chunk, tile) {
    const factor = 2 ** chunk.level;
    const x = (tile.column * TILE - chunk.column * chunk.span) / factor;
    const y = (tile.row * TILE - chunk.row * chunk.span) / factor;
    const data = this.square.data.fill(0);
    for (const [index, r, g, b, a] of tile.cells()) {
      data.set([r, g, b, a], index * 4);
      if (a === 0 && chunk.level === 0) chunk.context.clearRect(x + (index & 63), y + (index >> 6), 1, 1);
    }
    this.ink.putImageData(this.square, 0, 0);
    chunk.context.drawImage(this.scratch, x, y, TILE / factor, TILE / factor);
    // A pixel that shows several cells is only near to what it should be.
    chunk.isStale ||= chunk.level > 0;
  }

  // All cells are unset.
  clear() {
    for (const chunk of this.chunks.values()) {
      chunk.context.clearRect(0, 0, SIDE, SIDE);
      chunk.isStale ||= chunk.isLoading;
      chunk.meanwhile = [];
    }
  }

  // What is shown may be wrong: everything is loaded again.
  reload() {
    for (const [key, chunk] of this.chunks) {
      if (chunk.used < this.turn) this.chunks.delete(key);
      [chunk.isStale, chunk.notBefore] = [true, 0];
    }
    this.changed();
  }
}
