// The colours to choose from, and words for any colour.

export const PALETTE = [
  ["white", 0xffffff], ["light grey", 0xd3d7da], ["grey", 0x888d92], ["dark grey", 0x4b4f54], ["black", 0x000000], ["maroon", 0x6b0f1e],
  ["red", 0xc4122f], ["vermilion", 0xff4a1c], ["orange", 0xffa31a], ["yellow", 0xffd83d], ["cream", 0xfff4b5], ["lime", 0x86e352],
  ["green", 0x0bbf6b], ["dark green", 0x00784a], ["teal", 0x00857d], ["turquoise", 0x19cdbf], ["sky blue", 0x56dcf5], ["blue", 0x2f7df0],
  ["dark blue", 0x22449c], ["violet", 0x6a3fc4], ["magenta", 0xb545c6], ["pink", 0xff5fa2], ["brown", 0x70482b], ["tan", 0xd99a5b],
];

export const hex = (colour) => `#${colour.toString(16).padStart(6, "0")}`;

// Names of hues, each up to so many degrees.
const HUES = [[12, "red"], [40, "orange"], [65, "yellow"], [95, "lime"], [155, "green"], [185, "turquoise"], [215, "sky blue"], [255, "blue"], [285, "violet"],
  [325, "magenta"], [347, "pink"], [360, "red"]];

// A name for a colour: that of the palette, or what people would call it.
export function nearest(colour) {
  const known = PALETTE.find(([, one]) => one === colour);
  if (known) return known[0];
  const parts = [colour >> 16, (colour >> 8) & 255, colour & 255].map((part) => part / 255);
  const [least, most] = [Math.min(...parts), Math.max(...parts)];
  const [light, range] = [(least + most) / 2, most - least];
  if (light < 0.08) return "black";
  if (light > 0.94) return "white";
  const shade = light < 0.32 ? "dark " : light > 0.72 ? "light " : "";
  if (range < 0.08) return shade + "grey";
  const [r, g, b] = parts;
  const sixth = most === r ? (g - b) / range + 6 : most === g ? (b - r) / range + 2 : (r - g) / range + 4;
  const hue = HUES.find(([end]) => (sixth * 60) % 360 <= end)[1];
  return shade === "dark " && hue === "orange" ? "brown" : shade + hue;
}

// The most usual colours of a picture (its bytes, four for each pixel), in words; an empty text where there are none.
export function usual(bytes) {
  const counts = new Map();
  for (let at = 0; at < bytes.length; at += 4) {
    if (bytes[at + 3] < 128) continue;
    const colour = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const names = new Map();
  for (const [colour, count] of counts) names.set(nearest(colour), (names.get(nearest(colour)) ?? 0) + count);
  const most = [...names].sort(([, one], [, other]) => other - one).slice(0, 3).map(([name]) => name);
  return most.length > 1 ? `${most.slice(0, -1).join(", ")} and ${most.at(-1)}` : most.join("");
}
