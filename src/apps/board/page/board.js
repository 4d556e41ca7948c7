"use strict";

// Texts go into the page as texts only (textContent), so that whatever somebody posts stays text.

const at = (id) => document.getElementById(id);
const list = at("messages");
const shown = new Map();
let oldest = null;

function entryOf(message) {
  const item = at("entry").content.firstElementChild.cloneNode(true);
  const link = item.querySelector(".picture");
  const picture = link.querySelector("img");
  item.dataset.id = message.id;
  link.href = message.image_url;
  picture.src = message.image_url;
  picture.alt = "Picture of the message: " + message.message.slice(0, 80);
  picture.addEventListener("error", () => link.classList.add("broken"));
  item.querySelector(".message").textContent = message.message;
  const time = item.querySelector("time");
  time.dateTime = message.create_time + "Z";
  time.textContent = new Date(time.dateTime).toLocaleString();
  item.querySelector(".delete").addEventListener("click", () => remove(message.id));
  return item;
}

// Newest first, wherever a message comes from: the list, an event, or the other host.
function show(message, isNew) {
  if (shown.has(message.id)) return;
  const item = entryOf(message);
  if (isNew) item.classList.add("new");
  shown.set(message.id, item);
  let next = list.firstElementChild;
  while (next && Number(next.dataset.id) > message.id) next = next.nextElementSibling;
  list.insertBefore(item, next);
  at("empty").hidden = true;
}

function forget(id) {
  const item = shown.get(id);
  if (item) item.remove();
  shown.delete(id);
  at("empty").hidden = shown.size > 0;
}

function fault(text) {
  at("fault").textContent = text;
  at("fault").hidden = !text;
}

// The sentence of an error answer, in each of its forms.
function sentence(status, body) {
  try {
    const detail = JSON.parse(body).detail;
    if (typeof detail === "string") return detail;
    return detail.map((one) => one.loc[one.loc.length - 1] + ": " + one.msg).join("; ");
  } catch {
    return (body.trim() || "The server answered " + status) + "";
  }
}

async function load(before) {
  const limit = before === null ? 5 : 20;
  const query = before === null ? "" : "&before=" + before;
  try {
    const answer = await fetch("/messages?limit=" + limit + query, { cache: "no-store" });
    if (!answer.ok) throw new Error(sentence(answer.status, await answer.text()));
    const page = await answer.json();
    for (const message of page.messages) show(message, false);
    oldest = page.next;
    at("older").hidden = oldest === null;
    at("empty").hidden = shown.size > 0;
    at("state").textContent = "";
  } catch (error) {
    at("state").textContent = "The messages can't be loaded: " + error.message;
  } finally {
    list.setAttribute("aria-busy", "false");
  }
}

async function remove(id) {
  if (!confirm("Delete this message for everybody?")) return;
  const answer = await fetch("/messages/" + id, { method: "DELETE" });
  if (answer.ok || answer.status === 404) forget(id);
  else fault(sentence(answer.status, await answer.text()));
}

function post(event) {
  event.preventDefault();
  fault("");
  const request = new XMLHttpRequest();
  const done = () => {
    at("send").disabled = false;
    at("progress").hidden = true;
  };
  request.upload.addEventListener("progress", (progress) => {
    if (progress.lengthComputable) at("progress").value = progress.loaded / progress.total;
  });
  request.addEventListener("load", () => {
    done();
    if (request.status !== 200) return fault(sentence(request.status, request.responseText));
    at("form").reset();
    preview();
    load(null);
  });
  request.addEventListener("error", () => {
    done();
    fault("The server can't be reached; nothing is known to be posted.");
  });
  at("send").disabled = true;
  at("progress").hidden = false;
  at("progress").value = 0;
  request.open("POST", "/upload/");
  request.send(new FormData(at("form")));
}

// Characters as the server counts them: an emoji is one, and so is a line break. The attribute maxlength counts UTF-16
// units, two for an emoji, so that it only stops what is too long for certain.
function measure() {
  const [text, most] = [at("message"), Number(at("message").dataset.most)];
  const over = [...text.value].length - most;
  text.setCustomValidity(over > 0 ? "The message has " + over + " characters more than " + most + "." : "");
}

function preview() {
  const [file] = at("file").files;
  const picture = at("preview");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
  picture.hidden = !file;
  if (file) picture.src = URL.createObjectURL(file);
}

function listen() {
  const events = new EventSource("/board/events");
  events.addEventListener("message", (event) => show(JSON.parse(event.data), true));
  events.addEventListener("open", () => {
    if (at("state").dataset.lost) load(null);
    delete at("state").dataset.lost;
    at("state").textContent = "";
  });
  events.addEventListener("error", () => {
    // An answer that has ended is asked for again at once; only a server that is away closes for good.
    if (events.readyState !== EventSource.CLOSED) return;
    at("state").dataset.lost = "1";
    at("state").textContent = "Not connected; trying again";
    setTimeout(listen, 3000);
  });
}

at("form").addEventListener("submit", post);
at("message").addEventListener("input", measure);
at("file").addEventListener("change", preview);
at("preview").addEventListener("error", () => { at("preview").hidden = true; });
at("older").addEventListener("click", () => load(oldest));
load(null).then(listen);
