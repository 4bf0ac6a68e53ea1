// From the catalog's JSON Schema (draft 2020-12, written by pydantic) to one that makes a good form.
// Limits are left out: the service knows them, and says what is wrong in its own words.

const LIMITS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "minLength", "maxLength", "minItems", "maxItems"];
const SILENT = ["discriminator", ...LIMITS];

const spoken = (name) => name.replaceAll("_", " ");
const isNull = (schema) => schema.type === "null";

// {"dataset": {"id": "…"}} is one of the choices of a list as "id:…", and back.
export const toChoice = (dataset) => (dataset && typeof dataset === "object" ? `id:${dataset.id}` : dataset);
export const fromChoice = (choice) => (choice.startsWith("id:") ? {id: choice.slice(3)} : choice);

// The schema of the form. datasets: [{value, title}], in the order of the list.
export function formSchema(catalog, datasets) {
  const {preset, ...properties} = catalog.spec_schema.properties;
  const schema = simpler({...catalog.spec_schema, properties});
  schema.title = "spec";
  delete schema.description;
  offer(schema.properties.dataset, datasets, (value) => value);
  for (const suite of Object.values(schema.$defs)) {
    const several = suite.properties?.datasets; // of the suite that makes each dataset a task
    if (!several) continue;
    several.uniqueItems = true;
    offer(several.items, datasets.filter(({value}) => value !== "synthetic"), (value) => value.replace(/^id:/, ""));
  }
  return schema;
}

function offer(field, datasets, written) {
  for (const key of ["anyOf", "oneOf", "$ref", "format", "isNullable"]) delete field[key];
  field.type = "string";
  field.enum = datasets.map(({value}) => written(value));
  field.options = {enum_titles: datasets.map(({title}) => title)};
}

// What the form's library does not know, in words that it does. isNullable: a field that may stay empty.
function simpler(schema) {
  if (Array.isArray(schema)) return schema.map(simpler);
  if (!schema || typeof schema !== "object") return schema;
  if (schema.anyOf?.some(isNull)) {
    const {anyOf, ...rest} = schema;
    const other = anyOf.find((one) => !isNull(one));
    return {...simpler({...other, ...rest}), type: "string", isNullable: true, default: ""};
  }
  const made = {};
  for (const [key, value] of Object.entries(schema)) {
    if (SILENT.includes(key)) continue;
    if (key === "properties") made.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, named(name, inner)]));
    else if (key === "$defs") made.$defs = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, simpler(inner)]));
    else made[key === "prefixItems" ? "items" : key] = key === "default" ? value : simpler(value);
  }
  if (made.properties) made.required = Object.keys(made.properties); // all of them are shown
  if (made.properties?.kind) made.title = made.properties.kind.enum?.[0];
  if (made.type === "boolean") made.format = "checkbox";
  return made;
}

function named(name, schema) {
  if (name === "kind") return {type: "string", enum: [schema.const], default: schema.const, options: {hidden: true}};
  const made = {...simpler(schema), title: spoken(name)};
  if (made.type === "array" && made.items && !Array.isArray(made.items)) made.items = {title: made.title.replace(/s$/, ""), ...made.items};
  return made;
}
