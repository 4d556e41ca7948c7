// The token of a server that asks for one: this tab keeps it until it is closed, and sends it with every question to this
// host. Loaded before all other scripts, so that none of them has to know.
"use strict";

{
  const KEY = "pixeld-token";
  const plain = { fetch: window.fetch.bind(window), open: XMLHttpRequest.prototype.open };
  const tried = new WeakSet(); // pictures that were asked for with the token
  let asking = null; // the answer to the form, while it is open
  let isDismissed = false;

  const kept = () => sessionStorage.getItem(KEY);
  const isOurs = (address) => new URL(address, location.href).origin === location.origin;

  // The form. Closed without a token it does not come again before the page is loaded anew.
  function form() {
    const dialog = document.createElement("dialog");
    const form = dialog.appendChild(document.createElement("form"));
    form.method = "dialog";
    const label = form.appendChild(document.createElement("label"));
    label.textContent = "This server asks for a token ";
    const input = label.appendChild(document.createElement("input"));
    Object.assign(input, { type: "password", name: "token", required: true, autocomplete: "off" });
    const button = form.appendChild(document.createElement("button"));
    button.textContent = "Use it";
    document.body.appendChild(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      form.addEventListener("submit", () => sessionStorage.setItem(KEY, input.value.trim()));
      dialog.addEventListener("close", () => {
        isDismissed = !input.value;
        asking = null;
        dialog.remove();
        resolve();
      });
    });
  }

  // Gives whether there is another token than the one that was sent.
  async function ask(sent) {
    if (kept() === sent && !isDismissed) await (asking ??= form());
    return kept() !== null && kept() !== sent;
  }

  function withToken(options, token) {
    if (token === null) return options;
    const headers = new Headers(options?.headers);
    headers.set("Authorization", "Bearer " + token);
    return { ...options, headers };
  }

  window.fetch = async (address, options) => {
    if (!isOurs(address)) return plain.fetch(address, options);
    const sent = kept();
    const answer = await plain.fetch(address, withToken(options, sent));
    return answer.status === 401 && (await ask(sent)) ? window.fetch(address, options) : answer;
  };

  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    plain.open.call(this, method, address, ...rest);
    const sent = kept();
    if (!isOurs(address)) return;
    if (sent !== null) this.setRequestHeader("Authorization", "Bearer " + sent);
    this.addEventListener("load", () => this.status === 401 && ask(sent));
  };

  // The address of a picture can't carry a token: one that was refused is asked for once more, and shown from memory.
  async function show(picture) {
    const answer = await window.fetch(picture.src);
    if (!answer.ok) throw new Error(`${answer.status}`);
    picture.src = URL.createObjectURL(await answer.blob());
  }

  function failed(event) {
    const picture = event.target;
    if (!(picture instanceof HTMLImageElement) || tried.has(picture) || kept() === null || !isOurs(picture.src)) return;
    tried.add(picture);
    event.stopImmediatePropagation();
    show(picture).catch(() => picture.dispatchEvent(new Event("error")));
  }

  document.addEventListener("error", failed, true);
}
