// The stream of changes: /canvas/live, read with fetch. It goes on from its cursor after a server was away, and is let go
// of while nobody looks: a browser has six connections to a host.

const HEAD = 64; // bytes before a frame's body (docs/canvas.md)
const BODY_MOST = 16 * 2 ** 20;
const CELLS = 1;
const RELOAD = 2;
const FORGETS = 1;
const SILENCE_MS = 40000; // the server says at least every 15 s that it is there
const HIDDEN_MS = 1000; // how long a tab that is hidden keeps its stream
const BACKOFF_MS = [500, 15000];
const HOST_LETTERS = 12; // of a cursor, which say whose it is
const MOVE_MS = [2000, 60000]; // how long a stream stays before it moves to another host

// The changes in one tile of 64 x 64 cells.
export class Tile {
  constructor(data, at) {
    this.column = data.getInt32(at, true);
    this.row = data.getInt32(at + 4, true);
    this.count = data.getUint16(at + 8, true);
    Object.assign(this, { data, at: at + 12 });
  }

  get end() {
    return this.at + this.count * 6;
  }

  // Index in the tile (row by row), red, green, blue, and 255 or for an unset cell 0.
  *cells() {
    for (let at = this.at; at < this.end; at += 6) {
      const byte = (behind) => this.data.getUint8(at + behind);
      yield [this.data.getUint16(at, true), byte(2), byte(3), byte(4), byte(5)];
    }
  }
}

class Frame {
  constructor(bytes) {
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.kind = data.getUint8(0);
    this.isReload = this.kind === RELOAD;
    this.forgets = this.kind === CELLS && (data.getUint8(1) & FORGETS) !== 0;
    this.pixels = Number(data.getBigUint64(16, true));
    this.cursor = String.fromCharCode(...bytes.subarray(24, 58));
    this.data = data;
  }

  *tiles() {
    for (let at = HEAD; this.kind === CELLS && at < this.data.byteLength; ) {
      const tile = new Tile(this.data, at);
      yield tile;
      at = tile.end;
    }
  }
}

// Cuts a stream of bytes into frames.
class Cutter {
  held = new Uint8Array(65536);
  length = 0;

  *frames(bytes) {
    this.add(bytes);
    let at = 0;
    while (this.length - at >= HEAD) {
      const body = new DataView(this.held.buffer).getUint32(at + 4, true);
      if (body > BODY_MOST) throw new Error("no stream of frames");
      if (this.length - at < HEAD + body) break;
      yield new Frame(this.held.slice(at, at + HEAD + body));
      at += HEAD + body;
    }
    this.held.copyWithin(0, at, this.length);
    this.length -= at;
  }

  add(bytes) {
    const needed = this.length + bytes.length;
    if (needed > this.held.length) {
      const larger = new Uint8Array(Math.max(needed, this.held.length * 2));
      larger.set(this.held.subarray(0, this.length));
      this.held = larger;
    }
    this.held.set(bytes, this.length);
    this.length = needed;
  }
}

export class Live {
  pause_ms = 0;
  timer = 0;
  stream = null;
  stays_ms = MOVE_MS[0];
  staysUntil = 0;
  isMoving = false;

  // `taken` gets each frame; `told` whether the stream is there, and if not in how many milliseconds it is tried again.
  constructor(taken, told) {
    Object.assign(this, { taken, told });
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("online", () => this.retry());
  }

  // Begins, behind this cursor.
  start(cursor) {
    this.cursor = cursor;
    this.look();
  }

  look() {
    clearTimeout(this.timer);
    if (document.hidden) this.timer = setTimeout(() => this.stream?.abort(), HIDDEN_MS);
    else if (!this.stream) this.follow();
  }

  retry() {
    this.pause_ms = 0;
    if (this.cursor && !this.stream) this.look();
  }

  // Whether a cursor that came with a picture is of another host than the stream: behind a balancer it may be. That host can
  // lack what the stream has told, so the stream is asked for anew: the balancer then leads it to where pictures come from.
  isElsewhere(cursor) {
    if (!cursor || !this.cursor || cursor.slice(0, HOST_LETTERS) === this.cursor.slice(0, HOST_LETTERS)) return false;
    if (this.stream && performance.now() >= this.staysUntil) {
      this.stays_ms = Math.min(MOVE_MS[1], this.stays_ms * 2);
      this.isMoving = true;
      this.stream.abort();
    }
    return true;
  }

  async follow() {
    const stream = (this.stream = new AbortController());
    this.staysUntil = performance.now() + this.stays_ms;
    try {
      await this.read(stream);
    } catch {
      // Refused, cut off or silent: what follows is the same.
    }
    stream.abort();
    this.stream = null;
    const hasMoved = this.isMoving;
    this.isMoving = false;
    if (document.hidden) return; // looked at again, it goes on
    if (hasMoved) return this.follow();
    this.pause_ms = Math.min(BACKOFF_MS[1], this.pause_ms * 2 || BACKOFF_MS[0]);
    this.told(false, this.pause_ms);
    this.timer = setTimeout(() => this.look(), this.pause_ms);
  }

  async read(stream) {
    let watchdog = 0;
    const wait = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stream.abort(), SILENCE_MS);
    };
    try {
      wait();
      const answer = await fetch(`/canvas/live?after=${this.cursor}`, { cache: "no-store", signal: stream.signal });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const [reader, cutter] = [answer.body.getReader(), new Cutter()];
      this.told(true);
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        wait();
        this.pause_ms = 0;
        for (const frame of cutter.frames(piece.value)) {
          this.cursor = frame.cursor;
          this.taken(frame);
        }
      }
    } finally {
      clearTimeout(watchdog);
    }
  }
}
