// The spec as a form over the catalog's schema, and a problem document's messages beside its fields.

import {fieldOf} from "./fields.js";

export class SpecForm {
  // onChange(): called after every change of a person.
  constructor(place, schema, onChange) {
    this.place = place;
    this.root = place.parentElement; // the section of the study, too, has fields with problems
    this.field = fieldOf(schema, [], {defs: schema.$defs, onChange});
    this.field.set({});
    place.replaceChildren(this.field.element);
  }

  get spec() {
    const {dataset, ...rest} = this.field.get();
    return hasOwnImages(rest) ? rest : {...rest, dataset: fromChoice(dataset)};
  }

  // Hide what the rest of the spec leaves no choice of.
  adapt() {
    this.part("dataset").hidden = hasOwnImages(this.field.get());
  }

  // Throws Error for a spec that the form cannot show, such as one of an unknown kind.
  set spec(spec) {
    this.field.set({...spec, dataset: toChoice(spec.dataset) ?? undefined});
  }

  // Set the field at this path, such as ["training", "epochs"]; of another kind, path ends before "kind".
  put(path, value) {
    this.field.put(path, path[0] === "dataset" ? toChoice(value) : value);
  }

  // Focus the field at this path, or the first one in it.
  focus(path) {
    const part = this.part(path.filter((name) => name !== "kind").join("."));
    part?.querySelector("input, select, button")?.focus();
  }

  // The fields that a grid may vary, in the order of the form: [{path, words}].
  get paths() {
    return [...this.place.querySelectorAll(".field[data-path], select.kind")]
      .map((each) => (each.matches(".kind") ? `${each.closest("[data-path]").dataset.path}.kind` : each.dataset.path))
      .filter((path) => !/\.\d/.test(path))
      .map((path) => ({path, words: path.replaceAll("_", " ").replace(".", ": ")}));
  }

  // Show errors [{field, message}] of a problem document beside their fields; returns those without a field.
  show(errors) {
    this.clear();
    return errors.filter(({field, message}, index) => {
      const part = this.part(field.replace(/^spec\./, ""));
      if (!part) return true;
      const note = document.createElement("p");
      note.className = "field-problem";
      note.id = `problem-${index}`;
      note.textContent = message;
      const control = part.querySelector("input, select");
      if (control) {
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-errormessage", note.id);
        const closed = control.closest("details:not([open])");
        if (closed) closed.open = true;
        (control.closest(".field") ?? part).append(note);
      } else part.append(note);
      return false;
    });
  }

  clear() {
    for (const note of this.root.querySelectorAll(".field-problem")) note.remove();
    for (const control of this.root.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-errormessage");
    }
  }

  focusFirstProblem() {
    this.root.querySelector("[aria-invalid]")?.focus();
  }

  // The element of that field, or of the innermost group around it.
  part(field) {
    for (let names = field.split("."); names.length; names.pop()) {
      const match = this.root.querySelector(`[data-path="${CSS.escape(names.join("."))}"]`);
      if (match) return match;
    }
    return null;
  }
}

// Whether the suite brings its images: it makes them, or its tasks are datasets. Then `dataset` is left to the service.
export const hasOwnImages = ({suite}) => ["datasets", "manifold"].includes(suite?.kind);

// A dataset of a spec as the value of a choice, and back: {"id": "…"} is "id:…".
const toChoice = (dataset) => (dataset && typeof dataset === "object" ? `id:${dataset.id}` : dataset);
const fromChoice = (choice) => (choice.startsWith("id:") ? {id: choice.slice(3)} : choice);

// Behind the name of what no worker can run: the first words of the reason. The whole stands beside the field, once chosen.
export const lack = ({name, unavailable}) => (unavailable ? ` (${unavailable.split(/[:;,]/)[0].replace(`${name} `, "")})` : "");

// The schema of the form. datasets: [{value, title}], in the order of the list.
export function formSchema(catalog, datasets) {
  const schema = structuredClone(catalog.spec_schema);
  delete schema.properties.preset; // it fills the form
  setChoices(schema.properties, "dataset", datasets, (value) => value);
  schema.properties.dataset.description = "the images that tasks are made of";
  for (const entry of [...catalog.suites, ...catalog.networks].filter(({unavailable}) => unavailable)) {
    const kind = Object.values(schema.$defs).find((one) => one.properties?.kind?.const === entry.name);
    if (kind) kind.label = entry.name + lack(entry);
  }
  for (const {properties} of Object.values(schema.$defs)) {
    // Classes by task, too, are written as JSON.
    if (properties?.order?.anyOf) properties.order = {...properties.order, anyOf: undefined, enum: properties.order.anyOf.find((one) => one.enum).enum};
    if (properties?.severities) properties.severities.items = {enum: [1, 2, 3, 4, 5]};
    if (!properties?.datasets) continue; // else the suite that makes each dataset a task
    const others = datasets.filter(({value}) => value !== "synthetic");
    setChoices(properties.datasets, "items", others, (value) => value.replace(/^id:/, ""));
    const {classes, size, channels} = properties;
    properties.classes = {...classes, anyOf: undefined, enum: classes.anyOf.find((one) => one.enum).enum}; // a map of names is written as JSON
    Object.assign(size, {isLine: true, description: `such as 28 × 28: ${size.description}`});
    channels.titles = ["as they are", "1: grey", "3: colour"];
  }
  return schema;
}

function setChoices(around, key, datasets, valueOf) {
  const {description, default: first} = around[key];
  around[key] = {type: "string", description, default: first, enum: datasets.map(({value}) => valueOf(value)), titles: datasets.map(({title}) => title)};
}
