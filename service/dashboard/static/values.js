// Values between a spec and the form: in the form every field has a value, and an empty one is text.

// The spec with every default filled in, as the form takes it.
export function toForm(value, schema, root = schema) {
  const here = resolved(value, schema, root);
  if (here.properties) {
    const given = value && typeof value === "object" ? value : {};
    return mapped(here.properties, (name, inner) => toForm(given[name] ?? resolved(given[name], inner, root).default, inner, root));
  }
  if (here.type === "array") return (value ?? []).map((item, index) => toForm(item, itemOf(here, index), root));
  return here.isNullable ? String(value ?? "") : value;
}

// What the form holds as the spec that is sent: an empty number is none, so that the service has its default.
export function fromForm(value, schema, root = schema) {
  const here = resolved(value, schema, root);
  if (here.properties) {
    const made = mapped(here.properties, (name, inner) => fromForm(value[name], inner, root));
    return Object.fromEntries(Object.entries(made).filter(([, inner]) => inner !== undefined));
  }
  if (here.type === "array") return (value ?? []).map((item, index) => fromForm(item, itemOf(here, index), root));
  if (here.isNullable || here.type === "integer" || here.type === "number") return numberOr(value);
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
