// Mouse, fingers and pens on the canvas. One pointer does what the tool says; two move and pinch; the middle and the right
// button move, and so does the left one while the space bar is held.

const WHEEL = 0.0015; // how much a step of a wheel zooms, by pixel
const LINE = 16; // pixels of a wheel's line
const STILL = 4; // pixels within which a press is no drag

export class Pointer {
  pointers = new Map();
  mode = null; // what the pressed pointer does: "draw", "move", "place"
  isSpace = false; // the space bar is held

  // `on` has: begin(cell), to(cell), end(), cancel() for a stroke; press(cell) for a press with a tool that does not draw;
  // hover(cell or null); place(dx, dy) while a picture is placed, in cells. `tool()` gives what a press does.
  constructor(element, view, tool, on) {
    Object.assign(this, { element, view, tool, on });
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.up(event, true));
    element.addEventListener("pointerleave", () => this.pointers.size || on.hover(null));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    // The middle button would scroll the page.
    element.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
  }

  point(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  cell(event) {
    return this.view.cellAt(...this.point(event));
  }

  down(event) {
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.point(event));
    if (this.pointers.size === 2) {
      if (this.mode === "draw") this.on.cancel();
      this.mode = "pinch";
      return;
    }
    if (this.pointers.size > 2) return;
    this.pressed = this.point(event);
    const moves = event.button !== 0 || this.isSpace;
    this.mode = moves ? "move" : this.tool();
    if (this.mode === "draw") this.on.begin(this.cell(event));
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    this.on.hover(this.cell(event));
    if (!before) return;
    // A fast pointer was at several places since it was asked last.
    const events = this.mode === "draw" ? (event.getCoalescedEvents?.() ?? []) : [];
    for (const one of events.length ? events : [event]) if (this.mode === "draw") this.on.to(this.cell(one));
    const now = this.point(event);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (this.mode === "pinch") this.pinch(event.pointerId, before, now);
    else if (this.mode === "move") this.view.drag(dx, dy);
    else if (this.mode === "place") this.on.place(dx / this.view.zoom, dy / this.view.zoom);
    this.pointers.set(event.pointerId, now);
  }

  pinch(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    const middle = (point) => [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2];
    const [from, to] = [middle(before), middle(now)];
    this.view.drag(to[0] - from[0], to[1] - from[1]);
    this.view.zoomBy(distance(now) / distance(before), ...to);
  }

  up(event, isCancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.mode === "draw") isCancelled ? this.on.cancel() : this.on.end();
    const [x, y] = this.point(event);
    const isStill = Math.hypot(x - this.pressed[0], y - this.pressed[1]) < STILL;
    if ((this.mode === "move" || this.mode === "pick") && isStill && event.button === 0 && !isCancelled) this.on.press(this.cell(event));
    // The finger that is left after a pinch moves nothing.
    this.mode = this.pointers.size ? "rest" : null;
    if (event.pointerType === "touch") this.on.hover(null);
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * LINE : event.deltaY;
    // A pinch on a touchpad comes as small steps with the control key.
    const factor = Math.exp(-Math.max(-400, Math.min(400, pixels)) * (event.ctrlKey ? 6 : 1) * WHEEL);
    this.view.zoomBy(factor, ...this.point(event));
  }
}
