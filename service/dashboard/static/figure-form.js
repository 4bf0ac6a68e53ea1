// The form of a figure for a paper: its preview, its file and its address follow the options.

import {Problem} from "./api.js";

const PAUSE = 400; // milliseconds without a change before the preview is drawn again
const MM = 25.4 / 72; // in a typographic point
const ABOUT = {
  "svg-text": "Letters stay letters: they can be searched and edited. It needs the font DejaVu Sans where it is opened.",
  svg: "Letters are drawn as paths: it looks the same everywhere.",
  png: "Pixels, for slides and pages.",
  pdf: "For LaTeX; letters stay letters, and the font is in the file.",
};

const place = document.getElementById("paper");
const form = document.getElementById("figure");
const choice = document.getElementById("choice");
const preview = Object.assign(document.createElement("img"), {hidden: true, alt: ""});
const summary = form.querySelector("[data-summary]");
const errors = new Map(); // field -> <small> with what is wrong
form.querySelector(".preview").append(preview);
let request = null;
let waiting = null;
let shown = null; // address of the preview that is shown, or under way

const figure = () => form.elements.figure.selectedOptions[0];
const format = () => form.elements.format.value;

// The address of the figure's file; with what only some formats take.
function addressOf(format, more = {}) {
  const {address, follows, options} = figure().dataset;
  const url = new URL(address.replace("FORMAT", format), location.href);
  for (const name of follows.split(" ")) {
    const value = name === "stage" ? stage() : choice.elements[name]?.value;
    const isDefault = {stage: "after", order: "task", measure: "cosine", layer: "", dimensions: "2"}[name];
    if (value && value !== isDefault) url.searchParams.set(name, value);
  }
  for (const name of options.split(" ")) {
    const value = form.elements[name]?.value.trim();
    if (value && name !== "dpi") url.searchParams.set(name, value);
  }
  for (const [name, value] of Object.entries(more)) if (value) url.searchParams.set(name, value);
  return url;
}

function stage() {
  const {value, max} = choice.elements.stage;
  return value === "0" ? "before" : value === max ? "after" : value;
}

function update() {
  const {follows, options} = figure().dataset;
  for (const field of form.querySelectorAll("[data-option]")) {
    const isTaken = options.split(" ").includes(field.dataset.option) && (field.dataset.option !== "dpi" || format() === "png");
    field.hidden = !isTaken;
  }
  document.getElementById("figure-as").textContent = follows ? `As chosen above: ${wordsOfChoice(follows)}.` : "";
  form.querySelector("[data-about]").textContent = ABOUT[format()];
  const ending = format().split("-")[0];
  const more = {"svg-text": {svg_text: "text"}, png: {dpi: form.elements.dpi.value}}[format()];
  const address = addressOf(ending, more);
  document.getElementById("figure-address").textContent = address;
  const file = form.querySelector("[data-file]");
  file.href = address;
  file.download = `${figure().value}-${document.getElementById("live").dataset.id}.${ending}`;
  clearTimeout(waiting);
  if (place.open) waiting = setTimeout(draw, PAUSE);
}

function wordsOfChoice(follows) {
  const words = [document.querySelector("#choice output").value];
  for (const name of follows.split(" ").slice(1)) {
    const field = choice.elements[name];
    if (field?.value) words.push(field instanceof RadioNodeList ? wordsOfRadio(name) : field.selectedOptions[0].textContent);
  }
  return words.join(", ");
}

const wordsOfRadio = (name) => choice.querySelector(`[name="${name}"]:checked`).parentElement.textContent.trim();

// The preview has paths: it looks as the paper will, whatever fonts are here. A PNG that is too large says so.
async function draw() {
  const isPng = format() === "png";
  const address = isPng ? addressOf("png", {dpi: form.elements.dpi.value}) : addressOf("svg");
  if (String(address) === shown) return;
  shown = String(address);
  request?.abort();
  request = new AbortController();
  form.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(address, {headers: {Accept: "image/*, application/problem+json"}, signal: request.signal});
    if (!response.ok) throw new Problem(await response.json());
    const content = await response.blob();
    showProblems([]);
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(content);
    preview.alt = `Preview: ${figure().textContent}`;
    preview.hidden = false;
    summary.textContent = isPng ? `PNG, ${Math.ceil(content.size / 1000)} kB.` : sizeOf(await content.text());
  } catch (problem) {
    if (problem.name === "AbortError") return;
    shown = null;
    preview.hidden = true;
    const left = showProblems(problem.errors ?? []);
    summary.textContent = left.length || !problem.errors?.length ? problem.message || "The service does not answer; try again soon." : "There is no figure with these options; see the fields.";
  }
  form.removeAttribute("aria-busy");
}

function sizeOf(svg) {
  const [width, height] = ["width", "height"].map((name) => MM * Number(svg.match(new RegExp(`<svg[^>]* ${name}="([\\d.]+)pt"`))[1]));
  return `${width.toFixed(0)} × ${height.toFixed(0)} mm, shown in its size where the page is wide enough.`;
}

// Write what is wrong beside each field; returns those that no field of the form has.
function showProblems(problems) {
  for (const [field, note] of errors) {
    note.remove();
    form.elements[field].removeAttribute("aria-invalid");
  }
  errors.clear();
  return problems.filter(({field, message}) => {
    const element = form.elements[field];
    const place = element?.closest?.("[data-option]:not([hidden])");
    if (!place) return true;
    const note = document.createElement("small");
    note.className = "wrong";
    note.textContent = message;
    element.setAttribute("aria-invalid", "true");
    place.append(note);
    errors.set(field, note);
    return false;
  });
}

function open(name) {
  form.elements.figure.value = name;
  if (name === "similarity") for (const field of ["range", "diagonal"]) form.elements[field].value = choice.elements[field].value;
  place.open = true;
  update();
  place.scrollIntoView({block: "start"});
  form.elements.figure.focus({preventScroll: true});
}

form.querySelector("[data-starts]").addEventListener("input", ({target}) => {
  const {width, font} = target.selectedOptions[0].dataset;
  form.elements.width.value = width;
  form.elements.font.value = font;
});
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
choice.addEventListener("input", update);
place.addEventListener("toggle", update);
document.addEventListener("click", ({target}) => {
  const button = target.closest("[data-for-paper]");
  if (button) open(button.dataset.forPaper);
});
update();
