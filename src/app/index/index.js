// The forms of the cards: sends each without leaving the page and shows its answer below it.

const SHOWN = 300; // characters of an answer, which may have hundreds of thousands

// What a form sends, by the word in its data-send.
const ways = {
  nothing: () => ({}),
  json(form) {
    const fields = [...form.elements].filter((field) => field.name);
    const value = (field) => (field.type === "number" ? Number(field.value) : field.value);
    const body = JSON.stringify(Object.fromEntries(fields.map((field) => [field.name, value(field)])));
    return { body, headers: { "Content-Type": "application/json" } };
  },
  // The file of its one input, as it is; of a type that the form does not name, its first.
  file(form) {
    const input = form.querySelector("input[type=file]");
    const types = form.dataset.types.split(" ");
    const [file] = input.files;
    return { body: file, headers: { "Content-Type": types.includes(file.type) ? file.type : types[0] } };
  },
};

// An error may be a page, whose last paragraph says what is wrong.
async function textOf(answer) {
  const text = await answer.text();
  if (!(answer.headers.get("Content-Type") || "").startsWith("text/html")) return text.trim();
  const page = new DOMParser().parseFromString(text, "text/html");
  const sentences = page.querySelectorAll("p");
  return sentences.length ? sentences[sentences.length - 1].textContent : page.body.textContent;
}

function tell(form, text, note, picture) {
  const output = form.querySelector("output");
  const small = document.createElement("small");
  small.textContent = note;
  const cut = text.length > SHOWN ? text.slice(0, SHOWN) + `... (${text.length} characters)` : text;
  output.replaceChildren(cut, small, ...(picture ? [picture] : []));
}

// A path of a form's data with what an answer says in the places of {names}.
const filled = (path, answer) => path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer[name]));

// The picture that a form's answer leads to. The question whether it is made is held until then.
async function pictureOf(form, answer) {
  const made = await fetch(filled(form.dataset.wait, answer));
  if (made.status !== 200) throw new Error((await made.json()).message || `The server answered ${made.status}`);
  const picture = document.createElement("img");
  picture.alt = form.dataset.alt;
  picture.src = filled(form.dataset.picture, answer);
  return picture;
}

async function send(form, address) {
  const way = ways[form.dataset.send](form);
  const answer = await fetch(address, { method: "POST", ...way, headers: { Accept: "application/json", ...way.headers } });
  const text = await textOf(answer);
  const durability = answer.headers.get("Durability");
  const note = answer.status + (durability ? ` · durability: ${durability}` : "");
  form.classList.toggle("failed", !answer.ok);
  const leads = answer.ok && form.dataset.picture;
  tell(form, text, note, leads ? await pictureOf(form, JSON.parse(text)) : null);
}

async function submitted(event) {
  event.preventDefault();
  const form = event.target;
  const button = event.submitter || form.querySelector("button");
  // Not `disabled`: a button that is would lose the focus of whoever pressed it.
  if (form.querySelector("[aria-disabled=true]")) return;
  button.setAttribute("aria-disabled", "true");
  try {
    await send(form, button.hasAttribute("formaction") ? button.formAction : form.action);
  } catch (error) {
    form.classList.add("failed");
    tell(form, error instanceof TypeError ? "No answer. Is the server up?" : error.message, "");
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

for (const form of document.querySelectorAll("form[data-send]")) {
  form.appendChild(document.createElement("output")).setAttribute("aria-live", "polite");
  form.hidden = false;
  form.addEventListener("submit", submitted);
}
