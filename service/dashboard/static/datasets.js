// The page /dashboard/datasets: the uploaded datasets (GET /datasets), and the upload of another.

import {call, say} from "./api.js";
import {showTimes, formatBytes} from "./format.js";
import {element, replace, table} from "./table.js";
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
  const headings = ["Name", "Images", "Size", "Classes", "Takes", "Uploaded", "Used by", ""];
  const rows = items.map((item) => [
    element("span", {}, item.name, element("br"), element("small", {className: "quiet"}, item.id), ...found(item)),
    item.images,
    `${item.height} × ${item.width}${item.channels > 1 ? ` × ${item.channels}` : ""}`,
    element("span", {title: (item.class_names ?? []).join(", ")}, String(item.classes)),
    formatBytes(item.bytes),
    element("time", {dateTime: item.created_at}, item.created_at),
    item.used_by ? element("a", {href: `/?dataset=${item.id}`}, String(item.used_by)) : "–",
    actions(item),
  ]);
  const again = element("button", {className: "small outline", id: "more"}, "Show more");
  replace(at("uploaded"), table("Table of uploaded datasets", headings, rows), ...(next ? [again] : []));
  showTimes(at("uploaded"));
}

// What was found in an upload, a line each.
function found(item) {
  return (item.report?.sentences ?? []).map((sentence) => element("small", {className: "found"}, sentence));
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

async function send(event) {
  event.preventDefault();
  const [file] = at("file").files, button = at("send");
  if (!file || button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  at("progress").hidden = false;
  at("told").textContent = "";
  try {
    const path = `/datasets?name=${encodeURIComponent(at("name").value || file.name)}`;
    const {status, document: dataset} = await upload(path, file, showProgress);
    at("told").textContent = status === 200 ? `${dataset.name} was there already: the same images.` : `${dataset.name}: ${dataset.images.toLocaleString()} images in ${dataset.classes} classes are there.`;
    at("told").append(...found(dataset));
    event.target.reset();
    showChosen();
    await load();
  } catch (problem) {
    const lines = problem.errors.length ? problem.errors.map(({field, message}) => `${field}: ${message}`) : [problem.message];
    at("told").replaceChildren(...lines.map((line) => element("p", {className: "problem"}, line)));
  } finally {
    button.removeAttribute("aria-busy");
    at("progress").hidden = true;
  }
}

function showProgress(share) {
  at("progress").value = share;
  at("send").textContent = share < 1 ? `Uploading, ${Math.round(100 * share)} %` : "Reading the images …";
}

function showChosen() {
  const [file] = at("file").files;
  at("send").disabled = !file;
  at("send").textContent = "Upload";
  if (file && !at("name").value) at("name").value = file.name.replace(/\.(npz|zip)$/i, "");
}

function takeDrops(place) {
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    place.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  place.addEventListener("drop", ({dataTransfer}) => {
    if (!dataTransfer.files.length) return;
    at("file").files = dataTransfer.files;
    showChosen();
    say(`${dataTransfer.files[0].name} is chosen`);
    at("send").focus();
  });
}

if (at("upload")) {
  at("upload").addEventListener("submit", send);
  at("file").addEventListener("change", showChosen);
  takeDrops(at("upload"));
}
at("uploaded").addEventListener("click", ({target}) => {
  if (target.id === "more") loadMore();
  if (target.id.startsWith("look-")) lookAt(items.find((item) => item.id === target.value));
});
at("look").querySelector(".close").addEventListener("click", () => at("look").close());
document.addEventListener("tgsh:changed", load);
load();
