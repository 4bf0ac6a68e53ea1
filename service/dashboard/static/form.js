// The spec as a form: json-editor over the catalog's schema, and what problem documents say beside its fields.

import {fromChoice, toChoice} from "./schemas.js";
import {fromForm, toForm} from "./values.js";

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
  // changed: called after every change, with nothing.
  constructor(place, schema, changed) {
    this.place = place;
    this.count = 0;
    this.schema = structuredClone(schema); // json-editor takes its own apart
    place.textContent = "";
    this.editor = new window.JSONEditor(place, {...SETTINGS, schema});
    this.ready = new Promise((resolve) => this.editor.on("ready", resolve));
    this.ready.then(() => this.editor.on("change", () => { this.tidy(); changed(); }));
  }

  get spec() {
    const {dataset, ...rest} = fromForm(this.editor.getValue(), this.schema);
    if (rest.suite.kind === "datasets") return rest; // they are the tasks
    return {...rest, dataset: fromChoice(dataset)};
  }

  // Throws Error for what no form can show, such as a kind that is not there.
  set spec(spec) {
    const value = toForm({...spec, dataset: toChoice(spec.dataset)}, this.schema);
    this.editor.setValue(value);
    this.tidy();
    for (const part of ["suite", "network"]) {
      const kind = this.editor.getValue()[part].kind, given = spec[part]?.kind ?? kind;
      if (kind !== given) throw new Error(`${part}.kind ${JSON.stringify(given)} with these values has no form`);
    }
  }

  // Ids and names: json-editor gives fields of several kinds the same, and some none.
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

  // errors: [{field, message}] of a problem document; returns those that no field was found for.
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

  // The field of that name, or what it is in.
  #part(field) {
    for (let names = field.split("."); names.length; names.pop()) {
      const found = [...this.place.querySelectorAll(`[data-schemapath="root.${CSS.escape(names.join("."))}"]`)];
      if (found.length) return found.at(-1);
    }
    return null;
  }
}

const nameOf = (control) => control.closest("[data-schemapath]").dataset.schemapath.split(".").slice(1).join(" ");
