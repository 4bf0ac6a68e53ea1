// The page of placements: images or a dataset are sent to POST …/placements, and the page follows the answer.

import {call, say} from "./api.js";
import {element} from "./table.js";
import {droppedFiles, tarOf} from "./tar.js";
import {upload} from "./upload.js";

const at = (id) => document.getElementById(id);
const form = at("place");
const POLL_MS = 500, LONGEST_MS = 5000;

// What was chosen: {name, content, words}; null: a dataset, or nothing yet.
let chosen = null;

function choose(next) {
  chosen = next;
  if (chosen) {
    at("known-dataset").value = "";
    if (!at("name").value) at("name").value = chosen.name.replace(/(\.tar)?\.[A-Za-z0-9]{1,7}$/, "").slice(0, 64);
  }
  at("chosen").textContent = chosen ? `${chosen.words ?? chosen.name} is chosen` : "";
  at("send").disabled = !chosen && !at("known-dataset").value;
}

function chooseFiles(entries) {
  if (!entries.length) return choose(null);
  if (entries.length === 1 && !entries[0].path.includes("/")) return choose({name: entries[0].file.name, content: entries[0].file});
  const name = entries[0].path.split("/")[0];
  choose({name, content: tarOf(entries), words: `${name} with ${entries.length.toLocaleString()} files`});
}

// "oak = 3" a line. Throws an Error for a line without "=".
function mapOf(text) {
  const pairs = text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const place = line.lastIndexOf("=");
    if (place < 1) throw new Error(`“${line}” says nothing; write: my class = one of the experiment's`);
    return [line.slice(0, place).trim(), line.slice(place + 1).trim()];
  });
  return Object.fromEntries(pairs);
}

// The value of a field as a number where it is one: what is wrong is told by the service.
function numberOf(id) {
  const value = at(id).value.trim();
  return /^\d+$/.test(value) ? Number(value) : value;
}

async function post() {
  const classes = at("classes").value === "map" ? mapOf(at("map").value) : at("classes").value;
  const name = at("name").value.trim();
  const dataset = at("known-dataset").value;
  if (dataset) {
    const isId = /^[0-9a-f]{16}$/.test(dataset);
    const body = {dataset: isId ? {id: dataset} : dataset, classes};
    for (const field of ["train_limit", "replicates", "seed"]) body[field] = numberOf(field);
    if (name) body.name = name;
    return (await call("POST", form.dataset.path, {body})).document;
  }
  const query = new URLSearchParams({classes: typeof classes === "string" ? classes : JSON.stringify(classes)});
  for (const field of ["train_limit", "replicates", "seed"]) query.set(field, at(field).value.trim());
  if (name) query.set("name", name);
  if (at("convert").checked) {
    query.set("size", form.dataset.size);
    query.set("channels", form.dataset.channels);
  }
  return (await upload(`${form.dataset.path}?${query}`, chosen.content, showProgress)).document;
}

function showProgress(share) {
  at("progress").value = share;
  at("send").textContent = share < 1 ? `Sending, ${Math.round(100 * share)} %` : "Reading the images …";
}

async function send(event) {
  event.preventDefault();
  const button = at("send");
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  at("progress").hidden = Boolean(at("known-dataset").value);
  at("told").replaceChildren();
  try {
    const placement = await post();
    location.assign(`${location.pathname}?placement=${placement.id}`);
  } catch (problem) {
    const errors = problem.errors ?? [];
    const lines = errors.length ? errors.map(({field, message}) => `${field}: ${message}`) : [problem.message];
    at("told").replaceChildren(...lines.map((line) => element("p", {className: "problem"}, line)));
  } finally {
    button.removeAttribute("aria-busy");
    at("progress").hidden = true;
    button.textContent = "Place them";
  }
}

// Look until the placement on the page has ended; then show it.
async function follow(section, pause = POLL_MS) {
  await new Promise((resolve) => setTimeout(resolve, pause));
  try {
    const {document: placement} = await call("GET", section.dataset.path);
    if (["completed", "failed"].includes(placement.status)) return location.reload();
  } catch (problem) {
    if (problem.status === 404) return location.assign(location.pathname);
    say(problem.message);
  }
  return follow(section, Math.min(LONGEST_MS, pause * 1.5));
}

if (form) {
  form.addEventListener("submit", send);
  at("file").addEventListener("change", () => chooseFiles([...at("file").files].map((file) => ({path: file.name, file}))));
  at("folder").addEventListener("change", () => chooseFiles([...at("folder").files].map((file) => ({path: file.webkitRelativePath, file}))));
  at("known-dataset").addEventListener("change", () => choose(null));
  at("classes").addEventListener("change", () => (at("map-field").hidden = at("classes").value !== "map"));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  form.addEventListener("drop", async ({dataTransfer}) => chooseFiles(await droppedFiles(dataTransfer.items)));
}
const section = at("placement");
if (section && ["queued", "running"].includes(section.dataset.status)) follow(section);
document.addEventListener("tgsh:changed", () => location.assign(location.pathname));
