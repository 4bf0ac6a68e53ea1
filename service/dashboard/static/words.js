// The form of what people say of an experiment: name, tags, project, notes.

import {call, say} from "./api.js";

const form = document.getElementById("words");
const saved = document.getElementById("saved");

const FIELDS = ["name", "tags", "project", "notes"];

function valueOf(name) {
  const text = form.elements[name].value;
  if (name === "tags") return text.split(",").map((tag) => tag.trim()).filter(Boolean);
  return name === "name" ? text : text.trim() || null;
}

// Fields that nobody touched are not sent: another person may have changed them, and a tag may have a comma.
async function save(event) {
  event.preventDefault();
  const changed = FIELDS.filter((name) => form.elements[name].value !== form.elements[name].defaultValue);
  if (!changed.length) return (saved.textContent = "Nothing was changed.");
  const body = Object.fromEntries(changed.map((name) => [name, valueOf(name)]));
  try {
    await call("PATCH", form.dataset.path, {body});
    for (const name of changed) form.elements[name].defaultValue = form.elements[name].value;
    saved.textContent = "Saved.";
    say("Saved");
    window.htmx.trigger(document.getElementById("live"), "tgsh:news");
  } catch (problem) {
    saved.textContent = problem.errors.map(({field, message}) => `${field}: ${message}`).join("; ") || problem.message;
  }
}

form?.addEventListener("submit", save);
form?.addEventListener("input", () => (saved.textContent = ""));
