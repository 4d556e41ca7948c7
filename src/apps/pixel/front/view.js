// What part of the canvas is seen, and where a cell is on the screen. Places are in cells, points in CSS pixels of the
// element, and `zoom` is how many CSS pixels a cell has.

const REACH = 2 ** 31; // cells in each direction
const LEAST = 1 / 64; // the smallest scale that the server renders
const MOST = 64;
const MARGIN = 0.9; // of the element that a fitted picture fills

export class View {
  x = 0;
  y = 0;
  zoom = 8;
  width = 1;
  height = 1;

  // `moved` is called after each change.
  constructor(moved) {
    this.moved = moved;
  }

  // The place under a point.
  at(px, py) {
    return [this.x + (px - this.width / 2) / this.zoom, this.y + (py - this.height / 2) / this.zoom];
  }

  // The cell under a point.
  cellAt(px, py) {
    return this.at(px, py).map((place) => Math.min(REACH - 1, Math.max(-REACH, Math.floor(place))));
  }

  // The cells that are seen: of the left and upper edge, and behind the right and lower one.
  edges() {
    const [left, top] = this.at(0, 0);
    const [right, bottom] = this.at(this.width, this.height);
    return { left, top, right, bottom };
  }

  resize(width, height) {
    [this.width, this.height] = [width, height];
    this.moved();
  }

  // Puts a place into the middle.
  moveTo(x, y, zoom = this.zoom) {
    const within = (place) => Math.min(REACH, Math.max(-REACH, place));
    [this.x, this.y] = [within(x), within(y)];
    this.zoom = Math.min(MOST, Math.max(LEAST, zoom));
    this.moved();
  }

  // Moves what is seen along with a pointer.
  drag(dx, dy) {
    this.moveTo(this.x - dx / this.zoom, this.y - dy / this.zoom);
  }

  // Zooms; the place under the point stays where it is.
  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.at(px, py);
    const zoom = Math.min(MOST, Math.max(LEAST, this.zoom * factor));
    this.moveTo(x - (px - this.width / 2) / zoom, y - (py - this.height / 2) / zoom, zoom);
  }

  // Shows all of these bounds, or their middle where they are too large for that.
  fit(bounds) {
    if (!bounds) return this.moveTo(0.5, 0.5, 12);
    const [wide, high] = [bounds.x_max - bounds.x_min + 1, bounds.y_max - bounds.y_min + 1];
    const zoom = Math.min(this.width / wide, this.height / high) * MARGIN;
    this.moveTo(bounds.x_min + wide / 2, bounds.y_min + high / 2, Math.min(zoom, 24));
  }

  // Moves as little as is needed to see a cell with some of what is around it.
  reveal(x, y) {
    const { left, top, right, bottom } = this.edges();
    const room = Math.min(3, (right - left) / 4, (bottom - top) / 4);
    const short = (from, to, at) => Math.min(0, at - room - from) + Math.max(0, at + 1 + room - to);
    const [dx, dy] = [short(left, right, x), short(top, bottom, y)];
    if (dx || dy) this.moveTo(this.x + dx, this.y + dy);
  }
}
