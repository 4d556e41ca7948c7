// The tools below the canvas: what a pointer does, in which colour and how wide.

import { PALETTE, hex } from "./colours.js";

const at = (id) => document.getElementById(id);

export class Tools {
  // `changed` is called after each choice.
  constructor(changed) {
    this.changed = changed;
    this.swatches = PALETTE.map(([name, colour]) => this.swatch(name, colour));
    at("palette").prepend(...this.swatches);
    at("tools").addEventListener("change", (event) => this.chosen(event.target));
    at("own").addEventListener("input", () => this.chosen(at("own")));
    // A finger that means to scroll must not draw; whoever has a mouse means to.
    this.choose(matchMedia("(pointer: coarse)").matches ? "move" : "draw");
    this.take(PALETTE[7][1]);
  }

  swatch(name, colour) {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "colour", value: String(colour), title: name });
    input.setAttribute("aria-label", name);
    input.style.setProperty("--colour", hex(colour));
    return input;
  }

  chosen(input) {
    if (input.name === "colour") this.take(Number(input.value));
    else if (input === at("own")) this.take(parseInt(input.value.slice(1), 16));
    else if (input.name === "tool") this.choose(input.value);
    else this.changed();
  }

  // "draw", "move" or "pick".
  choose(tool) {
    this.tool = tool;
    document.querySelector(`#tools [name=tool][value=${tool}]`).checked = true;
    this.changed();
  }

  // Draws with this colour from now on.
  take(colour) {
    this.colour = colour;
    for (const input of this.swatches) input.checked = Number(input.value) === colour;
    at("own").value = hex(colour);
    at("own").classList.toggle("chosen", !this.swatches.some((input) => input.checked));
    this.changed();
  }

  // Takes the next colour of the palette, or the one before.
  step(by) {
    const now = this.swatches.findIndex((input) => input.checked);
    this.take(PALETTE[(now + by + PALETTE.length) % PALETTE.length][1]);
  }

  // Cells of a side of the brush.
  get size() {
    return Number(at("size").value);
  }
}
