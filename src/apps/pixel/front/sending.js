// Sends cells as records of ten bytes (application/vnd.pixeld): channel, value, x, y; three for each cell.

const CHANNELS = [17, 18, 19]; // R, G, B
const RECORD = 10;
const PAUSE_MS = [500, 8000]; // before what was not answered is sent again: the first, and the longest
const KEEPALIVE_MOST = 60000; // bytes that a browser goes on sending after its page was left

// The records of cells, each [x, y, colour] with the colour as 0xrrggbb.
export function records(cells) {
  const data = new DataView(new ArrayBuffer(cells.length * CHANNELS.length * RECORD));
  let at = 0;
  for (const [x, y, colour] of cells) {
    CHANNELS.forEach((channel, index) => {
      data.setUint8(at, channel);
      data.setUint8(at + 1, (colour >> (16 - 8 * index)) & 255);
      data.setInt32(at + 2, x, true);
      data.setInt32(at + 6, y, true);
      at += RECORD;
    });
  }
  return data.buffer;
}

// The sentence of an error answer, in each of its forms.
async function sentence(answer) {
  const text = (await answer.text()).trim();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; ");
  } catch {
    return text || `The server answered ${answer.status}`;
  }
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
}

// Sends cells until they are kept. While the server is away or busy they are sent again: `waits` is called with true then,
// and with false once it has answered. Fails with a sentence if they are refused, and with an AbortError.
export async function keep(cells, { signal, waits = () => {} } = {}) {
  const body = records(cells);
  const keepalive = body.byteLength < KEEPALIVE_MOST;
  const order = { method: "POST", headers: { "Content-Type": "application/vnd.pixeld" }, body, signal, keepalive };
  for (let pause = PAUSE_MS[0]; ; pause = Math.min(PAUSE_MS[1], pause * 2)) {
    signal?.throwIfAborted();
    const answer = await fetch("/pixels", order).catch(() => null);
    signal?.throwIfAborted();
    if (answer?.ok) return waits(false);
    if (answer && answer.status !== 503) throw new Error(await sentence(answer));
    waits(true);
    await sleep(Number(answer?.headers.get("Retry-After")) * 1000 || pause, signal);
  }
}
