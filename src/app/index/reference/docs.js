// The description of the calls: finds calls by a word, opens the one that the address names, and lets the examples lead here.

const at = (id) => document.getElementById(id);
const calls = [...document.querySelectorAll("details.call")].map((element) => ({ element, text: element.textContent.toLowerCase() }));

for (const code of document.querySelectorAll("pre code")) {
  code.textContent = code.textContent.replace("http://127.0.0.1:8000", location.origin);
}

function filter() {
  const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { element, text } of calls) {
    element.hidden = !words.every((word) => text.includes(word));
    count += !element.hidden;
  }
  for (const section of document.querySelectorAll("section.calls")) {
    section.hidden = words.length > 0 && !section.querySelector("details.call:not([hidden])");
  }
  at("found").textContent = words.length ? `${count} of ${calls.length}` : "";
}

function open() {
  let name = "";
  try {
    name = decodeURIComponent(location.hash.slice(1));
  } catch {
    // No call has such a name.
  }
  const named = document.getElementById(name);
  if (named?.matches("details")) named.open = true;
}

at("find").hidden = false;
at("filter").addEventListener("input", filter);
addEventListener("hashchange", open);
open();
