// Fields of a form over a JSON Schema as pydantic writes it (draft 2020-12). What people, the catalog and uploads wrote
// becomes text and never markup: elements are made one by one.
//
// A field is {element, get(), set(value)}: get() is the value in the spec, undefined where it is left out and the service
// takes its default; set(undefined) is the default, and throws Error for what the field cannot show. A field with others
// inside has put(path, value), too, which sets the one at that path. Limits are shown and not checked: the service says
// what is wrong in its own words.

import {element} from "./table.js";

let count = 0;

// The field of the schema at this path, such as ["suite", "tasks"]. form: {defs, onChange()}.
export function fieldOf(schema, path, form) {
  const whole = resolved(schema, form);
  if (whole.oneOf) return kindField(whole, path, form);
  if (whole.properties) return groupField(whole, path, form);
  if (whole.type === "boolean") return checkboxField(whole, path, form);
  if (whole.enum) return selectField(whole, path, form);
  if (whole.type === "array" && !whole.isLine) {
    if (whole.items?.enum) return checkboxesField(whole, path, form);
    if (whole.prefixItems) return tupleField(whole, path, form);
    return listField(whole, path, form);
  }
  return textField(whole, path, form);
}

// The schema behind references, and of a value or null the one of the value.
function resolved(schema, form) {
  if (schema.$ref) {
    const {$ref, ...rest} = schema;
    return resolved({...form.defs[$ref.split("/").at(-1)], ...rest}, form);
  }
  const other = schema.anyOf?.find((one) => one.type !== "null");
  if (!other) return schema;
  const {anyOf, ...rest} = schema;
  return resolved({...other, ...rest, isNullable: true}, form);
}

const wordsOf = (path) => path.join(" ").replaceAll("_", " ");
const nameOf = (path) => String(path.at(-1)).replaceAll("_", " ");
const isNumber = ({type}) => type === "integer" || type === "number";

// A description as the form says it: an empty field is null, and a list of choices says so itself.
function wordsOfHelp({description = "", isNullable, enum: choices}) {
  const plain = description.replaceAll("`", "");
  if (!isNullable) return plain;
  return choices ? plain.replace(/; null: [^;]*$/, "") : plain.replace(/\bnull: /, "empty: ");
}

// The smallest and the greatest value of a number in words; "" where there are none that a person meets.
function limitsOf({type, minimum, maximum, exclusiveMinimum, exclusiveMaximum}) {
  if (type !== "integer" && type !== "number") return "";
  const met = (limit) => limit !== undefined && Math.abs(limit) < 2 ** 53;
  if (met(minimum) && met(maximum)) return `${minimum.toLocaleString()} to ${maximum.toLocaleString()}`;
  const low = met(minimum) ? `at least ${minimum.toLocaleString()}` : met(exclusiveMinimum) ? `above ${exclusiveMinimum.toLocaleString()}` : "";
  const high = met(maximum) ? `at most ${maximum.toLocaleString()}` : met(exclusiveMaximum) ? `below ${exclusiveMaximum.toLocaleString()}` : "";
  return [low, high].filter(Boolean).join(", ");
}

// A row of the form. In a list only the last part of a path is a number: such a field has no heading, but a name.
function rowOf(control, schema, path, {isBeside = false} = {}) {
  control.id = `field-${++count}`;
  const row = element("div", {className: `field field-${schema.type ?? "text"}`});
  row.dataset.path = path.join(".");
  if (typeof path.at(-1) === "number") control.setAttribute("aria-label", wordsOf(path));
  else {
    const label = element("label", {htmlFor: control.id}, nameOf(path));
    row.append(...(isBeside ? [control, label] : [label]));
  }
  if (!isBeside) row.append(control);
  const description = wordsOfHelp(schema);
  const help = [description, description && limitsOf(schema)].filter(Boolean).join(" · ");
  if (help) {
    const note = element("p", {id: `${control.id}-note`, textContent: help});
    control.setAttribute("aria-describedby", note.id);
    row.append(note);
  }
  return row;
}

function textField(schema, path, form) {
  const control = element("input", {type: "text", autocomplete: "off", spellcheck: false});
  if (isNumber(schema)) control.inputMode = "decimal";
  control.addEventListener("input", form.onChange);
  return {
    element: rowOf(control, schema, path),
    get() {
      const text = control.value;
      if (schema.isLine) return text.trim() ? text.split(/[^0-9.]+/).filter(Boolean).map(Number) : undefined;
      if (!isNumber(schema)) return schema.isNullable && !text ? undefined : text;
      if (!text.trim()) return undefined;
      return Number.isFinite(Number(text)) ? Number(text) : text; // the service says what is wrong with it
    },
    set(value = schema.default) {
      if (Array.isArray(value)) control.value = value.join(" × ");
      else if (typeof value === "object" && value) throw new Error(`${path.join(".")} has no form`);
      else control.value = value ?? "";
    },
  };
}

function checkboxField(schema, path, form) {
  const control = element("input", {type: "checkbox"});
  control.addEventListener("change", form.onChange);
  return {
    element: rowOf(control, schema, path, {isBeside: true}),
    get: () => control.checked,
    set: (value = schema.default) => (control.checked = Boolean(value)),
  };
}

// schema.titles: what the choices are called. A choice of null is left out of the spec.
function selectField(schema, path, form) {
  const control = element("select");
  const choices = schema.isNullable ? [null, ...schema.enum] : schema.enum;
  control.append(...choices.map((choice, index) => element("option", {value: String(choice ?? ""), textContent: schema.titles?.[index] ?? String(choice ?? "")})));
  control.addEventListener("change", form.onChange);
  return {
    element: rowOf(control, schema, path),
    get: () => choices[control.selectedIndex] ?? undefined,
    set(value = schema.default ?? choices[0]) {
      const index = choices.indexOf(value);
      if (index < 0) throw new Error(`${path.join(".")} ${JSON.stringify(value)} has no form`);
      control.selectedIndex = index;
    },
  };
}

// Several of a few: names and their titles.
function checkboxesField(schema, path, form) {
  const group = fieldset(path, schema);
  const boxes = schema.items.enum.map((value, index) => {
    const box = element("input", {type: "checkbox", value});
    group.append(element("label", {className: "box"}, box, ` ${schema.items.titles?.[index] ?? value}`));
    return box;
  });
  group.addEventListener("change", form.onChange);
  return {
    element: group,
    get: () => schema.items.enum.filter((_, index) => boxes[index].checked),
    set(values = schema.default ?? []) {
      const unknown = values.find((value) => !schema.items.enum.includes(value));
      if (unknown !== undefined) throw new Error(`${path.join(".")} ${JSON.stringify(unknown)} has no form`);
      boxes.forEach((box, index) => (box.checked = values.includes(schema.items.enum[index])));
    },
  };
}

// As many values as the schema says, side by side.
function tupleField(schema, path, form) {
  const group = fieldset(path, schema);
  const fields = schema.prefixItems.map((item, index) => fieldOf(item, [...path, index], form));
  group.append(element("div", {className: "side"}, ...fields.map((field) => field.element)));
  return {
    element: group,
    get: () => fields.map((field) => field.get()),
    set: (values = schema.default ?? []) => fields.forEach((field, index) => field.set(values[index])),
  };
}

function listField(schema, path, form) {
  const group = fieldset(path, schema);
  const singular = nameOf(path).replace(/s$/, "");
  const place = element("div", {className: "items"});
  const button = element("button", {type: "button", className: "small outline"}, `Add ${singular}`);
  let fields = [];

  // An item is made anew with the number of its place; what it shows stays.
  function show(values) {
    fields = values.map((value, index) => {
      const field = fieldOf(schema.items, [...path, index], form);
      field.set(value);
      return field;
    });
    place.replaceChildren(...fields.map((field, index) => {
      const name = `Remove ${singular} ${index + 1}`;
      const remove = element("button", {type: "button", className: "small outline", ariaLabel: name, title: name}, "Remove");
      remove.addEventListener("click", () => {
        show(fields.filter((one) => one !== field).map((one) => one.get()));
        button.focus();
        form.onChange();
      });
      return element("div", {className: "item"}, field.element, remove);
    }));
  }

  button.addEventListener("click", () => {
    show([...fields.map((field) => field.get()), undefined]);
    fields.at(-1).element.querySelector("input, select")?.focus();
    form.onChange();
  });
  group.append(place, button);
  return {
    element: group,
    get: () => fields.map((field) => field.get()),
    set: (values = schema.default ?? Array(schema.minItems ?? 0).fill(undefined)) => show(values),
  };
}

function groupField(schema, path, form, {isFramed = path.length > 0} = {}) {
  const group = isFramed ? fieldset(path, schema) : element("div");
  const grid = group.appendChild(element("div", {className: "grid-of-fields"}));
  const fields = Object.entries(schema.properties).map(([name, inner]) => [name, fieldOf(inner, [...path, name], form)]);
  grid.append(...fields.map(([, field]) => field.element));
  return {
    element: group,
    get: () => Object.fromEntries(fields.map(([name, field]) => [name, field.get()]).filter(([, value]) => value !== undefined)),
    set(value = {}) {
      const unknown = Object.keys(value).find((name) => !(name in schema.properties) && name !== "kind");
      if (unknown) throw new Error(`${[...path, unknown].join(".")} has no form`);
      for (const [name, field] of fields) field.set(value[name]);
    },
    put([name, ...rest], value) {
      const [, field] = fields.find(([other]) => other === name);
      if (rest.length) field.put(rest, value);
      else field.set(value ?? undefined);
    },
  };
}

// One of several kinds, each with its own fields: a list to choose from, and the fields of the chosen one.
function kindField(schema, path, form) {
  const kinds = schema.oneOf.map((one) => resolved(one, form));
  const names = kinds.map((kind) => kind.properties.kind.const);
  const group = fieldset(path, schema);
  const control = element("select", {className: "kind", ariaLabel: `kind of ${wordsOf(path)}`});
  const note = element("p", {id: `kind-${++count}`});
  control.setAttribute("aria-describedby", note.id);
  control.append(...kinds.map((kind, index) => element("option", {value: names[index], textContent: kind.label ?? names[index]})));
  const place = element("div");
  let field;

  function show(value) {
    const {kind, ...properties} = kinds[control.selectedIndex].properties;
    field = groupField({properties}, path, form, {isFramed: false});
    note.textContent = wordsOfHelp(kinds[control.selectedIndex]);
    field.set(value);
    place.replaceChildren(field.element);
  }

  control.addEventListener("change", () => {
    show(undefined); // another kind begins with its own defaults
    form.onChange();
  });
  group.append(control, note, place);
  return {
    element: group,
    get: () => ({kind: control.value, ...field.get()}),
    set(value = schema.default ?? {}) {
      const index = names.indexOf(value.kind ?? names[0]);
      if (index < 0) throw new Error(`${path.join(".")}.kind ${JSON.stringify(value.kind)} has no form`);
      control.selectedIndex = index;
      show(value);
    },
    put: (path, value) => field.put(path, value),
  };
}

function fieldset(path, schema) {
  const description = wordsOfHelp(schema);
  const isNumbered = typeof path.at(-1) === "number";
  const legend = isNumbered ? `${nameOf(path.slice(0, -1)).replace(/s$/, "")} ${path.at(-1) + 1}` : nameOf(path);
  const group = element("fieldset", {className: "group"}, element("legend", {}, legend));
  group.dataset.path = path.join(".");
  if (description) {
    const note = element("p", {id: `group-${++count}`, textContent: description});
    group.setAttribute("aria-describedby", note.id);
    group.append(note);
  }
  return group;
}
