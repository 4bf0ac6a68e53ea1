// The editor of a report: its items in their order, saved as a whole.

import {call} from "./api.js";

const form = document.getElementById("editor");
const items = document.getElementById("items");
const problems = form.querySelector("[data-problems]");
let isChanged = false;

function itemOf(place) {
  const field = (name) => place.querySelector(`[data-${name}]`).value;
  if (place.dataset.kind === "text") return {kind: "text", text: field("text")};
  const [of, figure] = field("figure").split("/");
  const params = Object.fromEntries(new URLSearchParams(field("params").trim()));
  return {kind: "figure", of, id: field("id").trim(), figure, params, caption: field("caption"), name: place.dataset.name};
}

form.addEventListener("click", ({target}) => {
  const kind = target.dataset.add;
  if (kind) {
    items.append(document.getElementById(`new-${kind}`).content.cloneNode(true));
    items.lastElementChild.querySelector("textarea, input").focus();
  }
  const item = target.closest(".item");
  if (item && target.dataset.move) {
    const other = target.dataset.move === "1" ? item.nextElementSibling : item.previousElementSibling;
    if (target.dataset.move === "1") other?.after(item);
    else other?.before(item);
    target.focus();
  }
  if (item && "remove" in target.dataset) item.remove();
  if (kind || item) isChanged = true;
});

items.addEventListener("change", ({target}) => {
  if (!("id" in target.dataset)) return;
  const item = target.closest(".item");
  item.dataset.name = ""; // another one's
  item.querySelector("[data-whose]").textContent = "";
});
form.addEventListener("input", () => (isChanged = true));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {title, shared, link} = form.elements;
  const body = {title: title.value, items: [...items.children].map(itemOf), link: link.checked, changed_at: form.dataset.changed};
  if (shared) body.shared = shared.checked;
  try {
    await call("PATCH", form.dataset.path, {body});
    isChanged = false;
    location.assign(form.dataset.page);
  } catch (problem) {
    const lines = problem.errors?.length ? problem.errors.map(({field, message}) => `${wordsOf(field)}: ${message}`) : [problem.message];
    problems.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), {textContent: line})));
    problems.hidden = false;
  }
});

// "items.2.figure" as a person counts: "part 3, figure".
const wordsOf = (field) => field.replace(/^items\.(\d+)\.?/, (_, place) => `part ${Number(place) + 1}, `).replace(/, $/, "");

document.addEventListener("tgsh:changed", () => {
  isChanged = false;
  location.assign("/dashboard/reports");
});
addEventListener("beforeunload", (event) => isChanged && event.preventDefault());
