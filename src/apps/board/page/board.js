"use strict";

// Texts go into the page as texts only (textContent), so that whatever somebody posts stays text.

const FIRST = 5; // messages listed at first
const MORE = 20; // and with each press of "Older messages"
const MOST = 100; // in one list (BOARD_LIST_MAX)
const HOLD_S = 5; // a question for events is held as long (BOARD_NEWS_HOLD_MS)
const SLACK_S = 10; // an answer that takes longer than that on top is not waited for
const BACKOFF_S = [0.5, 30]; // the first pause before a question is repeated, and the longest

const at = (id) => document.getElementById(id);
const list = at("messages");
const shown = new Map();
// The cursor to messages that are older than those shown, null at the end; and the place in the server's events up to which
// this page has been told, null before the first list.
let older = null;
let told = null;

// ---- What is shown ----

function entryOf(message) {
  const item = at("entry").content.firstElementChild.cloneNode(true);
  const link = item.querySelector(".picture");
  const picture = link.querySelector("img");
  item.dataset.id = message.id;
  link.href = message.image_url;
  picture.src = message.image_url;
  picture.alt = "Picture of the message: " + message.message.slice(0, 80);
  picture.addEventListener("error", () => {
    picture.hidden = true;
    link.querySelector(".missing").hidden = false;
  });
  item.querySelector(".message").textContent = message.message;
  const time = item.querySelector("time");
  time.dateTime = message.create_time + "Z";
  time.textContent = new Date(time.dateTime).toLocaleString();
  item.querySelector(".delete").addEventListener("click", () => remove(message.id));
  return item;
}

// Newest first, wherever a message comes from: the list, an event, or the peer.
function show(message, isNew) {
  if (shown.has(message.id)) return null;
  const item = entryOf(message);
  shown.set(message.id, item);
  const last = list.lastElementChild;
  let next = last && Number(last.dataset.id) > message.id ? null : list.firstElementChild;
  while (next && Number(next.dataset.id) > message.id) next = next.nextElementSibling;
  list.insertBefore(item, next);
  if (isNew) {
    item.classList.add("new");
    announce("New message: " + message.message.slice(0, 100));
  }
  settle();
  return item;
}

function forget(id) {
  const item = shown.get(id);
  if (!item) return;
  const hadFocus = item.contains(document.activeElement);
  const neighbour = item.nextElementSibling || item.previousElementSibling;
  item.remove();
  shown.delete(id);
  settle();
  if (hadFocus) (neighbour ? neighbour.querySelector(".delete") : at("message")).focus();
}

function settle() {
  at("older").hidden = older === null;
  at("empty").hidden = shown.size > 0 || older !== null;
}

function fault(text) {
  at("fault").textContent = text;
  at("fault").hidden = !text;
}

// Says something to screen readers; what comes together is said together, because one text replaces the other.
let unsaid = [];
function announce(text) {
  if (unsaid.push(text) > 1) return;
  setTimeout(() => {
    at("said").textContent = unsaid.length > 3 ? unsaid.length + " changes on the board" : unsaid.join(". ");
    unsaid = [];
  }, 200);
}

function state(text) {
  if (at("state").textContent === text) return;
  at("state").textContent = text;
  at("state").classList.toggle("away", text !== "");
}

// ---- Questions ----

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

// Why a question failed, for people: a browser has no sentence for a server that is away.
function reason(error) {
  const isUnreachable = error instanceof TypeError || error instanceof DOMException;
  return isUnreachable ? "the server can't be reached" : error.message;
}

async function get(path, signal, wait_s = 0) {
  const signals = [AbortSignal.timeout((wait_s + SLACK_S) * 1000)];
  if (signal) signals.push(signal);
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.any(signals) });
  if (!answer.ok) throw new Error(sentence(answer.status, await answer.text()));
  return answer;
}

// A page of the list, and the place in the events where it ends.
async function messages(query, signal) {
  const answer = await get("/messages?" + query, signal);
  return { ...(await answer.json()), place: answer.headers.get("Last-Event-ID") };
}

// Shows the newest messages; later on all that are newer than the oldest one shown. What is shown and not listed then was
// deleted, or is older than a list reaches: "Older messages" goes on from there.
async function reload(signal) {
  const isFirst = told === null;
  try {
    const page = await messages("limit=" + (isFirst ? FIRST : MOST), signal);
    const oldest = isFirst || older === null ? 0 : Math.min(...shown.keys());
    const listed = page.messages.filter((message) => message.id >= oldest);
    if (listed.length === 0) listed.push(...page.messages.slice(0, FIRST));
    const isCut = listed.length < page.messages.length;
    [older, told] = [isCut ? listed[listed.length - 1].id : page.next, page.place];
    const ids = new Set(listed.map((message) => message.id));
    for (const id of [...shown.keys()]) if (!ids.has(id)) forget(id);
    for (const message of listed) show(message, !isFirst);
    settle();
  } finally {
    list.setAttribute("aria-busy", "false");
  }
}

async function more() {
  const button = at("older");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const before = older;
  try {
    const page = await messages("limit=" + MORE + "&before=" + before);
    if (older !== before) return; // the list was loaded anew meanwhile
    const hadFocus = document.activeElement === button;
    older = page.next;
    const added = page.messages.map((message) => show(message, false)).filter(Boolean);
    settle();
    announce(added.length + " older messages are shown" + (older === null ? ", there are no more" : ""));
    if (hadFocus && button.hidden) (added[0]?.querySelector(".picture") || at("message")).focus();
  } catch (error) {
    fault("Older messages can't be loaded: " + reason(error));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function remove(id) {
  if (!confirm("Delete this message for everybody?")) return;
  fault("");
  try {
    const answer = await fetch("/messages/" + id, { method: "DELETE" });
    if (!answer.ok && answer.status !== 404) throw new Error(sentence(answer.status, await answer.text()));
    forget(id);
    announce("The message is deleted");
  } catch (error) {
    fault("The message can't be deleted: " + reason(error));
  }
}

// ---- Posting ----

function post(event) {
  event.preventDefault();
  // Not `disabled`: a button that is would lose the focus of whoever pressed it.
  const button = at("send");
  if (button.getAttribute("aria-disabled") === "true") return;
  fault("");
  const request = new XMLHttpRequest(); // fetch can't tell how far an upload is
  const done = () => {
    button.removeAttribute("aria-disabled");
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
    announce("Your message is posted");
    showNewest();
  });
  request.addEventListener("error", () => {
    done();
    fault("The server can't be reached; nothing is known to be posted.");
  });
  button.setAttribute("aria-disabled", "true");
  at("progress").hidden = false;
  at("progress").value = 0;
  request.open("POST", "/upload/");
  request.send(new FormData(at("form")));
}

// One's own message is shown whether or not events come at the moment.
async function showNewest() {
  if (told === null) return look();
  try {
    for (const message of (await messages("limit=" + FIRST)).messages) show(message, false);
  } catch {
    // It is posted, and comes with the events.
  }
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

// ---- Events ----
//
// One of the tabs that are looked at asks for events and passes them on to the others: a browser makes six connections to
// a host, and each held question takes one. A hidden tab lets go, and asks what it has missed when it is looked at again.

const tabs = new BroadcastChannel("board");
// Pages that come neither over TLS nor from this machine have no locks: there each tab that is looked at asks for itself.
const pass = (news) => { if (navigator.locks) tabs.postMessage(news); };
let watching = null;
let isCaughtUp = false;
// Something was passed on while this tab was asking for what it had missed: that answer may be of before.
let isOvertaken = false;

// Reads an answer: blocks of lines with an empty line behind each.
function eventsOf(text) {
  const news = { place: null, events: [] };
  for (const block of text.split("\n\n")) {
    const event = { kind: "message", data: null };
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
      if (name === "id") news.place = value;
      if (name === "event") event.kind = value;
      if (name === "data") event.data = JSON.parse(value);
    }
    if (event.data) news.events.push(event);
  }
  if (news.place === null) throw new Error("the server doesn't tell of events");
  return news;
}

// Brings the page to where the events end. Returns whether it had to load the list again.
async function take({ place, events }, signal) {
  if (events.some((event) => event.kind === "reload")) {
    await reload(signal);
    return true;
  }
  for (const { kind, data } of events) {
    if (kind === "message") show(data, true);
    if (kind === "delete" && shown.has(data.id)) {
      forget(data.id);
      announce("A message was deleted");
    }
  }
  told = place;
  return false;
}

async function ask(wait_s, signal) {
  const answer = await get("/board/events?wait=" + wait_s + "&after=" + encodeURIComponent(told), signal, wait_s);
  return eventsOf(await answer.text());
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// Tries until it succeeds, less and less often, and says so in this tab and through `say` in the others.
async function persist(attempt, signal, say = () => {}) {
  const report = (text) => {
    state(text);
    say(text);
  };
  for (let tries = 0; ; tries++) {
    try {
      const result = await attempt(tries);
      report("");
      return result;
    } catch (error) {
      if (signal.aborted) throw error;
      report("Not connected (" + reason(error) + "); trying again");
      const seconds = Math.min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** tries);
      await pause(seconds * (0.75 + Math.random() / 2), signal);
    }
  }
}

// Asks for one answer after the other, on behalf of all tabs. A question that follows a failed one is not held, so that it
// is soon known whether the server is back.
async function lead(signal) {
  let reloads = 0;
  for (;;) {
    const attempt = async (tries) => {
      const from = told;
      const news = await ask(tries > 0 ? 0 : HOLD_S, signal);
      pass({ from, news });
      return take(news, signal);
    };
    const isReloaded = await persist(attempt, signal, (text) => pass({ state: text }));
    reloads = isReloaded ? reloads + 1 : 0;
    // Two hosts that answer in turn don't know each other's places: then the list is loaded now and again.
    await pause(reloads > 1 ? 2 : 0.1, signal);
  }
}

async function watch(signal) {
  const catchUp = async () => (told === null ? reload(signal) : take(await ask(0, signal), signal));
  do {
    isOvertaken = false;
    await persist(catchUp, signal);
  } while (isOvertaken);
  isCaughtUp = true;
  if (document.hidden) return;
  await (navigator.locks ? navigator.locks.request("board events", { signal }, () => lead(signal)) : lead(signal));
}

function look() {
  watching?.abort();
  watching = null;
  isCaughtUp = false;
  if (document.hidden && told !== null) return;
  watching = new AbortController();
  const { signal } = watching;
  watch(signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

// What another tab passes on goes on from where that tab stood. A tab that stands elsewhere asks for itself.
tabs.addEventListener("message", ({ data }) => {
  if (document.hidden || !isCaughtUp) isOvertaken = true;
  else if (data.state !== undefined) state(data.state);
  else if (data.from !== told) look();
  else take(data.news).catch(look);
});

at("form").addEventListener("submit", post);
at("message").addEventListener("input", measure);
at("file").addEventListener("change", () => {
  fault(""); // about another file
  preview();
});
at("preview").addEventListener("error", () => { at("preview").hidden = true; });
at("older").addEventListener("click", more);
document.addEventListener("visibilitychange", look);
window.addEventListener("online", look);
// Whoever loads the page again has posted nothing.
if (location.hash === "#posted") history.replaceState(null, "", location.pathname);
look();
