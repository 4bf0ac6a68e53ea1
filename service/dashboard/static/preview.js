// Images of a spec's tasks, drawn by a worker: POST /previews, then its picture.

import {call} from "./api.js";

const place = () => document.getElementById("preview");
const POLL = 700; // ms
let request, shownKey;

export async function showPreview(spec) {
  const key = JSON.stringify([spec.preset, spec.dataset, spec.suite, spec.seed]); // the rest changes no image
  if (key === shownKey) return;
  shownKey = key;
  request?.abort();
  const {signal} = (request = new AbortController());
  try {
    let {document: preview, headers} = await call("POST", "/previews", {body: spec, signal});
    const path = headers.get("Location") ?? `/previews/${preview.key}`;
    while (preview.status === "queued" || preview.status === "drawing") {
      say(preview.reason ?? (preview.status === "queued" ? "A worker is asked to draw it …" : "A worker draws it …"));
      await pause(POLL, signal);
      ({document: preview} = await call("GET", path, {signal}));
    }
    if (preview.status === "failed") say(preview.reason);
    else picture(preview);
  } catch (error) {
    if (error.name === "AbortError") return;
    shownKey = null;
    say(error.status === 422 ? "Something in the spec has to be changed first." : error.message);
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });
}

function say(words) {
  place().replaceChildren(Object.assign(document.createElement("p"), {textContent: words, className: "quiet"}));
}

function picture(preview) {
  const {tasks} = preview;
  const image = document.createElement("img");
  image.src = preview.links.png;
  image.alt = `One image of each class (columns) in ${tasks.length} tasks (rows): ${tasks.slice(0, 12).join(", ")}${tasks.length > 12 ? ", …" : ""}`;
  const around = document.createElement("div");
  Object.assign(around, {className: "picture", tabIndex: 0, role: "region", ariaLabel: "Picture of the tasks"});
  around.append(image);
  place().replaceChildren(around);
}
