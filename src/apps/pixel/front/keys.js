// The keyboard on the canvas: arrows move a cursor, which draws, picks and asks.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 10; // cells with the shift key
const ZOOM = 1.5;

// `on` has: step(dx, dy), paint(), look(), pick(), fit(), zoom(factor), colour(by), tool(name), space(is), leave().
export function listen(element, on) {
  const keys = {
    Enter: () => on.paint(), " ": () => on.space(true), "+": () => on.zoom(ZOOM), "=": () => on.zoom(ZOOM), "-": () => on.zoom(1 / ZOOM),
    0: () => on.fit(), "]": () => on.colour(1), "[": () => on.colour(-1), d: () => on.tool("draw"), m: () => on.tool("move"),
    p: () => on.tool("pick"), c: () => on.pick(), w: () => on.look(), Escape: () => on.leave(),
  };
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const act = step ? () => on.step(...step.map((by) => by * (event.shiftKey ? FAR : 1))) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  element.addEventListener("keyup", (event) => event.key === " " && on.space(false));
  element.addEventListener("blur", () => on.space(false));
}
