// The page of reuse: images without labels are sent to POST …/inference; the other answers are plots and tables.

import {call} from "./api.js";
import {Plots} from "./plots.js";
import {element, table} from "./table.js";
import {droppedFiles, tarOf} from "./tar.js";
import {upload} from "./upload.js";

const at = (id) => document.getElementById(id);
const RANKED = 10, CLASSES = 12;
const POLL_MS = 500, LONGEST_MS = 5000;

// --- which task are these images?

const form = at("infer");
let chosen = null; // {content, words}

function choose(entries) {
  if (!entries.length) chosen = null;
  else if (entries.length === 1) chosen = {content: entries[0].file, words: entries[0].file.name};
  else chosen = {content: tarOf(entries), words: `${entries.length.toLocaleString("en")} files`};
  at("chosen").textContent = chosen ? `${chosen.words} chosen` : "";
  at("send").disabled = !chosen;
}

async function infer(event) {
  event.preventDefault();
  const button = at("send");
  if (button.getAttribute("aria-busy") || !chosen) return;
  button.setAttribute("aria-busy", "true");
  at("progress").hidden = false;
  at("told").replaceChildren();
  at("inferred").hidden = true;
  try {
    const query = new URLSearchParams({rule: at("rule").value});
    if (at("convert").checked) {
      query.set("size", form.dataset.size);
      query.set("channels", form.dataset.channels);
    }
    const {document: found} = await upload(`${form.dataset.path}?${query}`, chosen.content, (share) => (at("progress").value = share));
    show(found);
  } catch (problem) {
    const errors = problem.errors ?? [];
    const lines = errors.length ? errors.map(({field, message}) => `${field}: ${message}`) : [problem.message];
    at("told").replaceChildren(...lines.map((line) => element("p", {className: "problem"}, line)));
  } finally {
    button.removeAttribute("aria-busy");
    at("progress").hidden = true;
  }
}

function show(found) {
  const place = at("inferred");
  const {calibration, reason} = found;
  place.querySelector("[data-sentence]").textContent = found.sentence;
  const lines = [];
  if (reason) lines.push(`There are no probabilities: ${reason}.`);
  if (calibration?.task_error != null) lines.push(`Such a probability was off by ${percent(calibration.task_error)} on average, over ${calibration.batches.toLocaleString("en")} batches of test images that nothing was fitted to.`);
  lines.push(`By the context of that task they show ${counted(found.classes)}.`);
  for (const warning of found.warnings ?? []) lines.push(`Warning: ${warning}.`);
  place.querySelector("[data-more]").replaceChildren(...lines.map((line) => element("p", {}, line)));
  const rows = found.tasks.slice(0, RANKED).map(({label, probability, score}) => [label, numeric(probability == null ? "–" : percent(probability)), numeric(score.toFixed(3).replace("-", "−"))]);
  const ranking = table("Ranking of the tasks", ["Task", "Probability", "Score"], rows);
  const more = found.tasks.length - rows.length;
  place.querySelector("[data-ranking]").replaceChildren(ranking, ...(more > 0 ? [element("p", {className: "quiet"}, `and ${more.toLocaleString("en")} more`)] : []));
  place.hidden = false;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const numeric = (text) => element("span", {className: "number"}, text);

// "7 (3 images), 2 (1 image)", the most frequent first.
function counted(classes) {
  const counts = new Map();
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const named = sorted.slice(0, CLASSES).map(([name, count]) => `${name} (${count} ${count === 1 ? "image" : "images"})`);
  return sorted.length > CLASSES ? `${named.join(", ")} and ${sorted.length - CLASSES} more classes` : named.join(", ");
}

if (form) {
  form.addEventListener("submit", infer);
  for (const id of ["file", "folder"]) {
    const chooseFiles = () => choose([...at(id).files].map((file) => ({path: file.webkitRelativePath || file.name, file})));
    at(id).addEventListener("change", chooseFiles);
    if (at(id).files.length) chooseFiles(); // chosen before this script was there
  }
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  form.addEventListener("drop", async ({dataTransfer}) => choose(await droppedFiles(dataTransfer.items)));
}

// --- the accuracy matrix, computed later

const matrix = at("matrix");

async function compute() {
  at("compute").setAttribute("aria-busy", "true");
  try {
    await call("POST", matrix.dataset.path);
    location.reload();
  } catch (problem) {
    at("matrix-told").textContent = problem.message;
    at("compute").removeAttribute("aria-busy");
  }
}

async function follow(pause = POLL_MS) {
  await new Promise((resolve) => setTimeout(resolve, pause));
  try {
    const {document: job} = await call("GET", `${matrix.dataset.path}/job`);
    if (!["queued", "running"].includes(job.status)) return location.reload();
  } catch (problem) {
    at("matrix-told").textContent = problem.message;
  }
  return follow(Math.min(LONGEST_MS, pause * 1.5));
}

at("compute")?.addEventListener("click", compute);
if (["queued", "running"].includes(matrix?.dataset.status)) follow();

// --- plots and tables

function showTable(figure, {columns, rows, words}) {
  const place = document.querySelector(`[data-table="${figure.dataset.plot.split("/").at(-1)}"]`);
  if (!place) return;
  place.hidden = !rows?.length;
  if (!rows?.length) return place.replaceChildren();
  const cells = rows.map((row) => row.map((cell, column) => (column < words ? cell : numeric(cell))));
  place.replaceChildren(table(place.getAttribute("aria-label"), columns, cells).firstChild);
  place.querySelectorAll("thead th").forEach((head, column) => head.classList.toggle("number", column >= words));
}

for (const section of document.querySelectorAll("#transfer, #scenarios, #hashing")) {
  const choice = section.querySelector("form.choice");
  if (choice) new Plots(section, choice, showTable).refresh();
}
