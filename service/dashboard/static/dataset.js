// The page of an uploaded dataset: its report, and the form of what its owner says of it.

import {call, say} from "./api.js";
import {showTimes} from "./format.js";
import {reportOf} from "./report.js";

const at = (id) => document.getElementById(id);
const path = `/datasets/${location.pathname.split("/").at(-1)}`;

async function load() {
  try {
    const {document: dataset} = await call("GET", path);
    at("report").replaceChildren(reportOf(dataset));
  } catch (problem) {
    at("report").textContent = problem.message;
  }
}

async function save(event) {
  event.preventDefault();
  const {name, notes, citation, licence, shared} = event.target.elements;
  const body = {name: name.value, notes: notes.value, citation: citation.value, licence: licence.value};
  if (shared) body.shared = shared.checked;
  try {
    const {document: changed} = await call("PATCH", path, {body});
    at("title").textContent = changed.name;
    at("saved").textContent = "Saved.";
    say("Saved");
  } catch (problem) {
    at("saved").textContent = problem.errors.map(({field, message}) => `${field}: ${message}`).join("; ") || problem.message;
  }
}

at("words")?.addEventListener("submit", save);
at("words")?.addEventListener("input", () => (at("saved").textContent = ""));
showTimes();
load();
