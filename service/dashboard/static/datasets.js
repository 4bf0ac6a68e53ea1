// The page /dashboard/datasets: the uploaded datasets (GET /datasets), and the upload of another.

import {call, say} from "./api.js";
import {showTimes, formatBytes} from "./format.js";
import {element, replace, table} from "./table.js";
import {reportOf} from "./report.js";
import {droppedFiles, tarOf} from "./tar.js";
import {upload} from "./upload.js";

const at = (id) => document.getElementById(id);
const me = at("uploaded").dataset.name;
const mayChange = "mayChange" in at("uploaded").dataset;

let items = [], next = null;

async function load() {
  items = [];
  next = null;
  await loadMore();
}

async function loadMore() {
  try {
    const {document: page} = await call("GET", `/datasets?limit=100${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
    items.push(...page.items);
    next = page.next;
    show();
  } catch (problem) {
    replace(at("uploaded"), element("p", {className: "quiet"}, problem.message));
  }
}

function show() {
  if (!items.length) return replace(at("uploaded"), element("p", {className: "quiet"}, "Nothing has been uploaded yet."));
  const headings = ["Name", "Images", "Size", "Classes", "Takes", "Uploaded", "Used by", element("span", {className: "hidden"}, "Actions")];
  const rows = items.map((item) => [
    element("span", {}, element("a", {href: `/dashboard/datasets/${item.id}`, textContent: item.name}), element("br"), element("small", {className: "quiet"}, item.id), ...troublesOf(item)),
    item.images,
    `${item.height} × ${item.width}${item.channels > 1 ? ` × ${item.channels}` : ""}`,
    element("span", {title: (item.class_names ?? []).join(", ")}, String(item.classes)),
    formatBytes(item.bytes),
    element("time", {dateTime: item.created_at}, item.created_at),
    item.used_by ? element("a", {href: `/?dataset=${item.id}`}, String(item.used_by)) : "–",
    actions(item),
  ]);
  const again = element("button", {className: "small outline", id: "more"}, "Show more");
  replace(at("uploaded"), table("Table of uploaded datasets", headings, rows, {stacked: true}), ...(next ? [again] : []));
  showTimes(at("uploaded"));
}

// What would make results wrong, a line each; its page tells the rest.
function troublesOf({report}) {
  const lines = [];
  if (report?.overlap) lines.push(`${report.overlap.toLocaleString()} test images are among the training images, too`);
  if (report?.contradictory) lines.push(`${report.contradictory.toLocaleString()} images have a copy in another class`);
  return lines.map((line) => element("small", {className: "found"}, line));
}

function actions(item) {
  const name = (verb) => `${verb} ${item.name}`;
  const buttons = element("div", {className: "buttons"});
  buttons.append(element("button", {className: "small secondary outline", id: `look-${item.id}`, value: item.id, ariaLabel: name("Look at")}, "Look"));
  buttons.append(element("a", {href: `/dashboard/submit?dataset=${item.id}`, className: "small", ariaLabel: name("Submit an experiment with")}, "Use"));
  const isMine = !me || item.owner === me || item.owner === null;
  if (mayChange && isMine) {
    const remove = element("button", {className: "small danger outline", id: `delete-${item.id}`, ariaLabel: name("Delete")}, "Delete");
    Object.assign(remove.dataset, {method: "DELETE", path: `/datasets/${item.id}`, ask: `Delete “${item.name}”? Its images are gone then.`, yes: "Delete it", done: `Deleted: ${item.name}`});
    buttons.append(remove);
  }
  return buttons;
}

function lookAt(item) {
  at("look-title").textContent = item.name;
  at("look-told").textContent = "Drawing …";
  const image = at("look-image");
  image.hidden = true;
  image.onload = () => {
    image.hidden = false;
    at("look-told").textContent = "";
  };
  image.onerror = () => (at("look-told").textContent = "No picture came; try again soon.");
  image.src = `/datasets/${item.id}/samples?format=png`;
  image.alt = `Images of ${item.name}, some of each of ${item.classes} classes`;
  at("look").showModal();
}

// What was chosen: {name, content}, a file or a folder as one tar; and the report on it, once it was looked at.
let chosen = null, looked = null;

const OPTIONS = ["size", "channels", "fit", "background", "encoding", "on_bad", "duplicates", "test_share", "group_pattern"];

function query(more) {
  const options = OPTIONS.map((name) => [name, at(`option-${name}`).value.trim()]).filter(([, value]) => value);
  return new URLSearchParams([["name", (at("name").value.trim() || chosen.name).slice(0, 64)], ...options, ...more]);
}

async function send(event) {
  event.preventDefault();
  const button = at("send");
  if (!chosen || button.getAttribute("aria-busy")) return;
  const isFinal = looked !== null;
  button.setAttribute("aria-busy", "true");
  at("progress").hidden = false;
  if (!isFinal) at("told").textContent = "";
  try {
    const {status, document: dataset} = await upload(`/datasets?${query(isFinal ? [] : [["dry_run", "true"]])}`, chosen.content, showProgress);
    if (isFinal) await tellKept(status, dataset, event.target);
    else tellSeen(dataset);
  } catch (problem) {
    const lines = problem.errors.length ? problem.errors.map(({field, message}) => `${field}: ${message}`) : [problem.message];
    at("told").replaceChildren(...lines.map((line) => element("p", {className: "problem"}, line)));
    at("options").open ||= problem.errors.length > 0;
  } finally {
    button.removeAttribute("aria-busy");
    at("progress").hidden = true;
    showButton();
  }
}

function tellSeen(dataset) {
  looked = dataset;
  at("told").replaceChildren(element("p", {className: "quiet", textContent: "Nothing is kept yet. This would be made of it:"}), reportOf(dataset));
  if (dataset.same_as) at("told").prepend(element("p", {textContent: `You have these images already, as “${dataset.same_as}”.`}));
}

async function tellKept(status, dataset, form) {
  const link = element("a", {href: `/dashboard/datasets/${dataset.id}`, textContent: dataset.name});
  const words = status === 200 ? " was there already: the same images." : `: ${dataset.images.toLocaleString()} images in ${dataset.classes} classes are there.`;
  at("told").replaceChildren(link, words);
  form.reset();
  choose(null);
  await load();
}

function showProgress(share) {
  at("progress").value = share;
  at("send").textContent = share < 1 ? `Sending, ${Math.round(100 * share)} %` : "Reading the images …";
}

function showButton() {
  at("send").disabled = !chosen;
  at("send").textContent = looked ? "Keep it" : "Check it";
}

// Another file or other options: what was seen of it is no longer what would be made.
function forget() {
  if (looked) at("told").textContent = "";
  looked = null;
  showButton();
}

function choose(next) {
  chosen = next;
  looked = null;
  at("chosen").textContent = chosen ? `${chosen.words ?? chosen.name} is chosen` : "";
  if (chosen && !at("name").value) at("name").value = chosen.name.replace(/(\.tar)?\.[A-Za-z0-9]{1,7}$/, "").slice(0, 64);
  showButton();
}

function chooseFiles(entries) {
  if (!entries.length) return choose(null);
  if (entries.length === 1 && !entries[0].path.includes("/")) return choose({name: entries[0].file.name, content: entries[0].file});
  const name = entries[0].path.split("/")[0];
  choose({name, content: tarOf(entries), words: `${name} with ${entries.length.toLocaleString()} files`});
}

function takeDrops(place) {
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    place.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  place.addEventListener("drop", async ({dataTransfer}) => {
    at("told").textContent = "";
    chooseFiles(await droppedFiles(dataTransfer.items));
    if (chosen) say(`${chosen.words ?? chosen.name} is chosen`);
    at("send").focus();
  });
}

if (at("upload")) {
  at("upload").addEventListener("submit", send);
  at("file").addEventListener("change", () => chooseFiles([...at("file").files].map((file) => ({path: file.name, file}))));
  at("folder").addEventListener("change", () => chooseFiles([...at("folder").files].map((file) => ({path: file.webkitRelativePath, file}))));
  at("options").addEventListener("input", forget);
  takeDrops(at("upload"));
}
at("uploaded").addEventListener("click", ({target}) => {
  if (target.id === "more") loadMore();
  if (target.id.startsWith("look-")) lookAt(items.find((item) => item.id === target.value));
});
at("look").querySelector(".close").addEventListener("click", () => at("look").close());
document.addEventListener("tgsh:changed", load);
load();
