// The spec as a form: json-editor over the catalog's schema, and a problem document's messages beside its fields.

const SETTINGS = {
  theme: "html",
  iconlib: null,
  show_errors: "never", // the service says what is wrong, once and in its words
  disable_collapse: true,
  disable_edit_json: true,
  disable_properties: true,
  disable_array_reorder: true,
  disable_array_delete_all_rows: true,
  disable_array_delete_last_row: true,
  prompt_before_delete: false,
  required_by_default: false,
  remove_empty_properties: false,
  use_name_attributes: false,
  keep_oneof_values: false, // another kind begins with its own defaults
};

export class SpecForm {
  // onChange(): called after every change.
  constructor(place, schema, onChange) {
    this.place = place;
    this.count = 0;
    this.schema = structuredClone(schema); // json-editor takes its own apart
    place.textContent = "";
    this.editor = new window.JSONEditor(place, {...SETTINGS, schema});
    this.ready = new Promise((resolve) => this.editor.on("ready", resolve));
    this.ready.then(() => this.editor.on("change", () => { this.tidy(); onChange(); }));
  }

  get spec() {
    const {dataset, ...rest} = fromForm(this.editor.getValue(), this.schema);
    if (rest.suite.kind === "datasets") return rest; // they are the tasks
    return {...rest, dataset: fromChoice(dataset)};
  }

  // Throws Error for a spec that the form cannot show, such as one of an unknown kind.
  set spec(spec) {
    const value = toForm({...spec, dataset: toChoice(spec.dataset)}, this.schema);
    this.editor.setValue(value);
    this.tidy();
    for (const part of ["suite", "network"]) {
      const kind = this.editor.getValue()[part].kind, expected = spec[part]?.kind ?? kind;
      if (typeof spec.suite?.classes === "object") throw new Error("suite.classes, a map of names, has no form");
      if (kind !== expected) throw new Error(`${part}.kind ${JSON.stringify(expected)} with these values has no form`);
    }
  }

  // Set ids and names: json-editor gives fields of several kinds the same, and some none.
  tidy() {
    for (const control of this.place.querySelectorAll("select, input, textarea")) {
      if (control.dataset.tidy) continue;
      control.dataset.tidy = "yes";
      const around = control.closest(".form-control") ?? control.parentElement;
      const label = control.closest("label") ?? around.querySelector(`label[for="${CSS.escape(control.id)}"]`);
      const note = around.querySelector('p[id$="-description"]');
      control.id = `field-${++this.count}`;
      if (note) control.setAttribute("aria-describedby", (note.id = `${control.id}-note`));
      if (!label) control.setAttribute("aria-label", nameOf(control));
      else if (control.classList.contains("je-switcher")) label.textContent = `kind of ${nameOf(control)}`;
      if (label) label.htmlFor = control.id;
    }
  }

  // Show errors [{field, message}] of a problem document beside their fields; returns those without a field.
  show(errors) {
    this.clear();
    return errors.filter(({field, message}, index) => {
      const part = this.#part(field);
      if (!part) return true;
      const note = document.createElement("p");
      note.className = "field-problem";
      note.id = `problem-${index}`;
      note.textContent = message;
      const control = part.querySelector("input:not([type=hidden]), select, textarea");
      if (control) {
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-errormessage", note.id);
        (control.closest(".form-control") ?? part).append(note);
      } else part.append(note);
      return false;
    });
  }

  clear() {
    for (const note of this.place.querySelectorAll(".field-problem")) note.remove();
    for (const control of this.place.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-errormessage");
    }
  }

  focusFirstProblem() {
    this.place.querySelector("[aria-invalid]")?.focus();
  }

  // The element of that field, or of the innermost group around it.
  #part(field) {
    for (let names = field.split("."); names.length; names.pop()) {
      const matches = [...this.place.querySelectorAll(`[data-schemapath="root.${CSS.escape(names.join("."))}"]`)];
      if (matches.length) return matches.at(-1);
    }
    return null;
  }
}

const nameOf = (control) => control.closest("[data-schemapath]").dataset.schemapath.split(".").slice(1).join(" ");

// --- The schema of the form: from the catalog's JSON Schema (draft 2020-12, written by pydantic).
// Limits are left out: the service knows them, and says what is wrong in its own words.

const LIMITS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "minLength", "maxLength", "minItems", "maxItems"];
const DROPPED = ["discriminator", ...LIMITS];

const titleOf = (name) => name.replaceAll("_", " ");
const isNull = (schema) => schema.type === "null";

// A dataset of a spec as the value of a choice, and back: {"id": "…"} is "id:…".
const toChoice = (dataset) => (dataset && typeof dataset === "object" ? `id:${dataset.id}` : dataset);
const fromChoice = (choice) => (choice.startsWith("id:") ? {id: choice.slice(3)} : choice);

// Behind the name of what no worker can run: the first words of the reason. The whole stands beside the field, once chosen.
export const lack = ({name, unavailable}) => (unavailable ? ` (${unavailable.split(":")[0].replace(`${name} `, "")})` : "");

// The schema of the form. datasets: [{value, title}], in the order of the list.
export function formSchema(catalog, datasets) {
  const {preset, ...properties} = catalog.spec_schema.properties;
  const schema = simplified({...catalog.spec_schema, properties});
  schema.title = "spec";
  delete schema.description;
  setChoices(schema.properties.dataset, datasets, (value) => value);
  for (const entry of [...catalog.suites, ...catalog.networks].filter(({unavailable}) => unavailable)) {
    const kind = Object.values(schema.$defs).find((one) => one.properties?.kind?.enum[0] === entry.name);
    if (kind) kind.title += lack(entry);
  }
  for (const suite of Object.values(schema.$defs)) {
    const field = suite.properties?.datasets; // of the suite that makes each dataset a task
    if (!field) continue;
    field.uniqueItems = true;
    setChoices(field.items, datasets.filter(({value}) => value !== "synthetic"), (value) => value.replace(/^id:/, ""));
    const {classes, size, channels} = suite.properties;
    delete classes.anyOf; // a map of names is written as JSON
    Object.assign(classes, {type: "string", enum: ["names", "nearest", "order"]});
    Object.assign(size, {isSize: true, description: `${size.description}, such as 28 × 28`});
    Object.assign(channels, {enum: ["", "1", "3"], options: {enum_titles: ["as they are", "1: grey", "3: colour"]}});
  }
  return schema;
}

function setChoices(field, datasets, valueOf) {
  for (const key of ["anyOf", "oneOf", "$ref", "format", "isNullable"]) delete field[key];
  field.type = "string";
  field.enum = datasets.map(({value}) => valueOf(value));
  field.options = {enum_titles: datasets.map(({title}) => title)};
}

// The schema in the keywords that json-editor knows. isNullable: a field that may stay empty.
function simplified(schema) {
  if (Array.isArray(schema)) return schema.map(simplified);
  if (!schema || typeof schema !== "object") return schema;
  if (schema.anyOf?.some(isNull)) {
    const {anyOf, ...rest} = schema;
    const other = anyOf.find((one) => !isNull(one));
    return {...simplified({...other, ...rest}), type: "string", isNullable: true, default: ""};
  }
  const result = {};
  for (const [key, value] of Object.entries(schema)) {
    if (DROPPED.includes(key)) continue;
    if (key === "properties") result.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, property(name, inner)]));
    else if (key === "$defs") result.$defs = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, simplified(inner)]));
    else result[key === "prefixItems" ? "items" : key] = key === "default" ? value : simplified(value);
  }
  if (result.properties) result.required = Object.keys(result.properties); // all of them are shown
  if (result.properties?.kind) result.title = result.properties.kind.enum?.[0];
  if (result.type === "boolean") result.format = "checkbox";
  return result;
}

function property(name, schema) {
  if (name === "kind") return {type: "string", enum: [schema.const], default: schema.const, options: {hidden: true}};
  const result = {...simplified(schema), title: titleOf(name)};
  if (result.type === "array" && result.items && !Array.isArray(result.items)) result.items = {title: result.title.replace(/s$/, ""), ...result.items};
  return result;
}

// --- Values between a spec and the form: in the form every field has a value, and an empty one is text.

// The spec with every default filled in, as the form takes it.
function toForm(value, schema, root = schema) {
  const target = resolved(value, schema, root);
  if (target.properties) {
    const fields = value && typeof value === "object" ? value : {};
    return mapped(target.properties, (name, inner) => toForm(fields[name] ?? resolved(fields[name], inner, root).default, inner, root));
  }
  if (target.type === "array") return (value ?? []).map((item, index) => toForm(item, itemOf(target, index), root));
  if (target.isSize) return Array.isArray(value) ? value.join(" × ") : "";
  return target.isNullable ? String(value ?? "") : value;
}

// The spec of the form's values. An empty number is left out, so that the service takes its default.
function fromForm(value, schema, root = schema) {
  const target = resolved(value, schema, root);
  if (target.properties) {
    const values = mapped(target.properties, (name, inner) => fromForm(value[name], inner, root));
    return Object.fromEntries(Object.entries(values).filter(([, inner]) => inner !== undefined));
  }
  if (target.type === "array") return (value ?? []).map((item, index) => fromForm(item, itemOf(target, index), root));
  if (target.isSize && value) return value.split(/[^0-9.]+/).filter(Boolean).map(Number);
  if (target.isNullable || target.type === "integer" || target.type === "number") return numberOr(value);
  return value;
}

const mapped = (properties, make) => Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, make(name, inner)]));
const itemOf = (schema, index) => (Array.isArray(schema.items) ? schema.items[index] ?? {} : schema.items ?? {});

function numberOr(value) {
  if (value === "" || value === null || value === undefined) return undefined;
  return typeof value === "string" && Number.isFinite(Number(value)) ? Number(value) : value;
}

// The schema behind a reference, and of a union the one of the value's kind.
function resolved(value, schema, root) {
  if (schema.$ref) {
    const {$ref, ...rest} = schema;
    return {...resolved(value, root.$defs[$ref.split("/").at(-1)], root), ...rest};
  }
  if (!schema.oneOf) return schema;
  const kinds = schema.oneOf.map((one) => resolved(value, one, root));
  return kinds.find((one) => one.properties.kind.enum[0] === value?.kind) ?? kinds[0];
}
