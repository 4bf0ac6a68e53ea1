// The section "Replicates and grid" of the form: what makes a study of one spec. Its values are those of POST /studies.

import {element} from "./table.js";

const NOT_IN_A_GRID = ["name", "tags", "seed", "base_seed", "shared", "priority"];
const KEYS = ["spec", "experiments", "replicates", "grid"]; // as the service tells a study from a spec

export const isStudy = (body) => Boolean(body) && typeof body === "object" && KEYS.some((key) => key in body);

let count = 0;

export class StudyFields {
  // paths(): what the spec's form has, [{path, words}]. onChange(): called after every change of a person.
  constructor(place, paths, onChange) {
    this.paths = paths;
    this.onChange = onChange;
    this.seeds = this.#numbers("seeds", "seeds of training");
    this.bases = this.#numbers("base_seeds", "seeds of the random base");
    this.rows = element("div", {className: "items"});
    const add = element("button", {type: "button", className: "small outline", textContent: "Vary a field"});
    add.addEventListener("click", () => {
      const row = this.#addRow();
      row.select.focus();
      onChange();
    });
    const grid = element("fieldset", {className: "group"}, element("legend", {textContent: "grid"}), element("p", {textContent: "Every combination of these values is trained with all seeds."}), this.rows, add);
    grid.dataset.path = "grid";
    const seeds = element("div", {className: "grid-of-fields"}, this.seeds.row, this.bases.row);
    seeds.dataset.path = "replicates";
    this.summary = element("summary", {textContent: "Replicates and grid"});
    this.details = element("details", {className: "study"}, this.summary, element("p", {textContent: "One experiment for each seed, on each random base, for each combination of the grid: a study. It gives means with intervals and tells which similarities differ."}), seeds, grid);
    place.replaceChildren(this.details);
  }

  // {replicates, grid}, or null where nothing is set.
  get value() {
    const replicates = {};
    for (const [name, field] of [["seeds", this.seeds], ["base_seeds", this.bases]]) {
      const levels = levelsOf(field.control.value);
      if (levels !== undefined) replicates[name] = levels;
    }
    const grid = {};
    for (const {path, values} of this.#grid()) grid[path] = path in grid ? [...grid[path], ...values] : values;
    if (!Object.keys(replicates).length && !Object.keys(grid).length) return null;
    return {replicates, ...(Object.keys(grid).length && {grid})};
  }

  // Throws Error for what has no form.
  set value(value) {
    const {replicates = {}, grid = {}} = value ?? {};
    this.seeds.control.value = textOfLevels(replicates?.seeds);
    this.bases.control.value = textOfLevels(replicates?.base_seeds);
    this.rows.replaceChildren();
    for (const [path, values] of Object.entries(Array.isArray(grid) ? {} : (grid ?? {}))) {
      const row = this.#addRow(path);
      row.control.value = textOfValues(values);
    }
    if (this.value) this.details.open = true;
  }

  open() {
    this.details.open = true;
    this.seeds.control.focus();
  }

  // The paths have changed, as the suite or the network is of another kind.
  renew() {
    for (const row of this.rows.children) this.#fill(row.querySelector("select"), row.querySelector("select").value, row);
  }

  #numbers(name, words) {
    const control = element("input", {type: "text", id: `study-${name}`, autocomplete: "off", spellcheck: false, placeholder: "1"});
    const note = element("p", {id: `study-${name}-note`, textContent: "how many, from the spec’s own on; or a list such as 0, 5, 7"});
    control.setAttribute("aria-describedby", note.id);
    control.addEventListener("input", this.onChange);
    const row = element("div", {className: "field"}, element("label", {htmlFor: control.id, textContent: words}), control, note);
    row.dataset.path = `replicates.${name}`;
    return {control, row};
  }

  #addRow(path = "") {
    const id = ++count;
    const select = element("select", {id: `grid-path-${id}`});
    const control = element("input", {type: "text", id: `grid-values-${id}`, autocomplete: "off", spellcheck: false, placeholder: "such as 1, 3"});
    const remove = element("button", {type: "button", className: "small outline", textContent: "Remove", ariaLabel: "Remove this field of the grid"});
    const row = element("div", {className: "item grid-row"},
      element("div", {className: "field"}, element("label", {htmlFor: select.id, textContent: "field"}), select),
      element("div", {className: "field"}, element("label", {htmlFor: control.id, textContent: "values"}), control), remove);
    select.addEventListener("change", () => {
      row.dataset.path = `grid.${select.value}`;
      this.onChange();
    });
    control.addEventListener("input", this.onChange);
    remove.addEventListener("click", () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      (next?.querySelector("select") ?? this.rows.parentElement.querySelector(":scope > button")).focus();
      this.onChange();
    });
    this.#fill(select, path, row);
    this.rows.append(row);
    return {select, control};
  }

  // The choices: what no other row has, and what it has itself, also where this spec has no such field.
  #fill(select, chosen, row) {
    const offered = this.paths().filter(({path}) => !NOT_IN_A_GRID.includes(path.split(".")[0]));
    if (chosen && !offered.some(({path}) => path === chosen)) offered.push({path: chosen, words: chosen});
    const taken = [...this.rows.querySelectorAll("select")].filter((one) => one !== select).map((one) => one.value);
    const fallback = offered.find(({path}) => path === "training.epochs" && !taken.includes(path)) ?? offered.find(({path}) => !taken.includes(path));
    row.dataset.path = `grid.${chosen || fallback?.path}`;
    if (String([...select.options].map((one) => one.value)) === String(offered.map(({path}) => path))) return; // it may be open
    select.replaceChildren(...offered.map(({path, words}) => element("option", {value: path, textContent: words})));
    select.value = chosen || fallback?.path;
  }

  #grid() {
    return [...this.rows.children].map((row) => ({path: row.querySelector("select").value, values: valuesOf(row.querySelector("input").value)})).filter(({path}) => path);
  }
}

// "" is undefined, "3" is 3, "0, 5" is [0, 5]; anything else is sent as it is, and the service says what is wrong with it.
export function levelsOf(text) {
  const parts = text.split(/[,;\s]+/).filter(Boolean);
  if (!parts.length) return undefined;
  if (!parts.every((part) => /^-?\d+$/.test(part) && Number.isSafeInteger(Number(part)))) return text.trim();
  return parts.length === 1 && !/[,;]/.test(text) ? Number(parts[0]) : parts.map(Number);
}

const textOfLevels = (levels) => (Array.isArray(levels) ? levels.join(", ") + (levels.length === 1 ? "," : "") : String(levels ?? ""));

// Values as JSON where they are JSON, else as words: 1, 3 and flynet, gsh and [28, 28], null.
export function valuesOf(text) {
  if (!text.trim()) return [];
  try {
    return JSON.parse(`[${text}]`);
  } catch {
    return text.split(",").map((part) => part.trim()).filter(Boolean).map(valueOf);
  }
}

function valueOf(word) {
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}

// A word that would be read as something else, such as "1" or "a, b", is written as JSON.
function textOfValues(values) {
  if (!Array.isArray(values)) throw new Error(`grid: ${JSON.stringify(values)} has no form`);
  const plain = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(", ");
  return JSON.stringify(valuesOf(plain)) === JSON.stringify(values) ? plain : values.map((value) => JSON.stringify(value)).join(", ");
}

// The body of a submission: a study, or a plain spec where the study has one experiment alone.
export function bodyOf(spec, study) {
  if (!study) return spec;
  const {replicates, grid = {}} = study;
  const lists = [replicates.seeds ?? 1, replicates.base_seeds ?? 1, ...Object.values(grid)];
  const isOne = lists.every((one) => one === 1 || (Array.isArray(one) && one.length === 1));
  if (!isOne) return {...(spec.name && {name: spec.name}), spec, ...study};
  const changed = structuredClone(spec);
  for (const [name, key] of [["seeds", "seed"], ["base_seeds", "base_seed"]]) if (Array.isArray(replicates[name])) changed[key] = replicates[name][0];
  for (const [path, [value]] of Object.entries(grid)) place(changed, path.split("."), value);
  return changed;
}

// As the service reads a grid: another kind brings its own defaults.
function place(spec, names, value) {
  const last = names.pop();
  let around = spec;
  for (const name of names) around = around[name] ??= {};
  if (last === "kind" && around.kind !== value) for (const key of Object.keys(around)) delete around[key];
  around[last] = value;
}
