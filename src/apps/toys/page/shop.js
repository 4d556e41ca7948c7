// Asks the shop without leaving the page, and shows each answer below its button. Without this script the forms lead
// to the answers themselves.
"use strict";

// An answer is HTML with the text escaped; parsed as a document of its own it does nothing but tell that text.
function textOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const sentences = page.querySelectorAll("p");
  return sentences.length ? sentences[sentences.length - 1].textContent : page.body.textContent;
}

function show(form, text, note) {
  const small = document.createElement("small");
  small.textContent = note;
  const output = form.querySelector("output");
  output.replaceChildren(text, small);
  // A long answer scrolls on a small screen, with the keyboard too.
  if (text.length > 100) output.tabIndex = 0;
  else output.removeAttribute("tabindex");
}

function noteOf(response, took) {
  const notes = [`${response.status}`, `${took.toFixed(took < 10 ? 1 : 0)} ms`];
  const cache = response.headers.get("X-Cache");
  if (cache) notes.push(cache === "hit" ? `kept for ${response.headers.get("Age")} s` : "made for you");
  const durability = response.headers.get("Durability");
  if (durability) notes.push(`durability: ${durability}`);
  return notes.join(" · ");
}

async function call(form) {
  const query = new URLSearchParams(new FormData(form)).toString();
  const started = performance.now();
  const response = await fetch(form.getAttribute("action") + (query && `?${query}`), { headers: { Accept: "text/html" } });
  const text = textOf(await response.text());
  form.classList.toggle("failed", !response.ok);
  show(form, text, noteOf(response, performance.now() - started));
}

async function submitted(event) {
  const form = event.target;
  event.preventDefault();
  // Not `disabled`: a button that is would lose the focus of whoever pressed it.
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  form.classList.add("waiting");
  try {
    await call(form);
  } catch {
    form.classList.add("failed");
    show(form, "No answer.", "Is the server up?");
  } finally {
    form.classList.remove("waiting");
    button.removeAttribute("aria-disabled");
  }
}

for (const form of document.querySelectorAll("form[data-call]")) form.addEventListener("submit", submitted);
