// The page /dashboard/submit: a spec or a study as a form or as JSON, its estimate, its preview, its submission.

import {Problem, call, say} from "./api.js";
import {showEstimate} from "./estimate.js";
import {SpecForm, formSchema, lack} from "./form.js";
import {showPreview} from "./preview.js";
import {StudyFields, bodyOf, isStudy} from "./replicates.js";

const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const WAIT = 500; // ms after the last keystroke

let catalog, form, study, timer;
let key = {}; // {body, value}: the same body again gets the same experiment

async function begin() {
  const [response, uploaded] = await Promise.all([call("GET", "/catalog"), uploadedDatasets()]);
  catalog = response.document;
  const named = catalog.datasets.map((entry) => ({value: entry.name, title: `${entry.name}: ${entry.description}${lack(entry)}`}));
  const uploads = uploaded.map(({id, name, images}) => ({value: `id:${id}`, title: `${name} (uploaded, ${images} images)`}));
  form = new SpecForm(at("fields"), formSchema(catalog, [...named, ...uploads]), changed);
  study = new StudyFields(at("study"), () => form.paths, changed);
  for (const entry of catalog.presets.filter(({unavailable}) => unavailable)) {
    at("preset").querySelector(`[value="${CSS.escape(entry.name)}"]`)?.append(lack(entry));
  }
  at("form").removeAttribute("aria-busy");
  const preset = query.get("preset") ?? at("preset").value;
  at("preset").value = query.has("from") ? "" : preset;
  form.spec = query.has("from") ? await specOf(query.get("from")) : presetSpec(preset);
  if (query.has("dataset")) form.spec = {...form.spec, dataset: {id: query.get("dataset")}};
  if (query.has("study")) study.open();
  changed();
}

async function uploadedDatasets() {
  try {
    return (await call("GET", "/datasets?limit=200")).document.items ?? [];
  } catch {
    return []; // a service without them
  }
}

const presetSpec = (name) => catalog.presets.find((preset) => preset.name === name)?.details.spec ?? blank();

function blank() {
  const paper = catalog.presets.find((preset) => preset.name === "rotation-mnist").details.spec;
  return {...paper, name: "", tags: []};
}

async function specOf(id) {
  return (await call("GET", `/experiments/${encodeURIComponent(id)}`)).document.spec;
}

const isJson = () => document.querySelector("[name=view]:checked").value === "json";

// The spec or study as it would be sent. Throws Problem where the text is no JSON.
function current() {
  if (!isJson()) return bodyOf(form.spec, study.value);
  try {
    return JSON.parse(at("text").value);
  } catch (error) {
    throw new Problem({status: 422, title: "No JSON", detail: error.message, errors: [{field: "body", message: error.message}]});
  }
}

function changed() {
  clearTimeout(timer);
  timer = setTimeout(refresh, WAIT);
}

function refresh() {
  let body;
  try {
    body = current();
  } catch (problem) {
    return showProblem(problem);
  }
  study.renew();
  showEstimate(body, showProblem);
  const spec = isStudy(body) ? body.spec : body;
  if (spec) showPreview(spec);
}

// problem: null where the spec is valid. Moves no focus: it comes while somebody types.
function showProblem(problem) {
  const place = at("problems");
  place.replaceChildren();
  form.clear();
  if (!problem) return;
  const unplaced = isJson() ? problem.errors : form.show(problem.errors);
  if (problem.errors.length && !unplaced.length) return;
  const box = document.createElement("div");
  box.className = "problem";
  const lines = unplaced.length ? unplaced.map(({field, message}) => `${field}: ${message}`) : [problem.message];
  for (const line of lines) box.append(Object.assign(document.createElement("p"), {textContent: line}));
  place.append(box);
}

function keyFor(body) {
  if (key.body !== body) {
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is for HTTPS only
    key = {body, value: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")};
  }
  return key.value;
}

async function send(event) {
  event.preventDefault();
  const button = at("send");
  if (button.getAttribute("aria-busy")) return;
  clearTimeout(timer);
  button.setAttribute("aria-busy", "true");
  try {
    const body = current();
    const kind = isStudy(body) ? "studies" : "experiments";
    const path = button.dataset.anew ? `/${kind}?anew=true` : `/${kind}`;
    const headers = {"Idempotency-Key": keyFor(path + JSON.stringify(body))};
    const {document: made} = await call("POST", path, {body, headers});
    key = {};
    location.assign(`/dashboard/${kind}/${made.id}`);
  } catch (problem) {
    showProblem(problem);
    say(problem.message);
    form.focusFirstProblem();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function switchView() {
  if (isJson()) at("text").value = JSON.stringify(bodyOf(form.spec, study.value), null, 2);
  else {
    try {
      fill(JSON.parse(at("text").value));
    } catch (error) {
      document.querySelector("[value=json]").checked = true;
      return showProblem(new Problem({title: "No JSON", detail: `cannot be shown as a form: ${error.message}`}));
    }
  }
  at("form").hidden = isJson();
  at("json").hidden = !isJson();
  showProblem(null);
  changed();
}

// Throws Error for what has no form.
function fill(body) {
  const {spec, replicates, grid, name, ...others} = isStudy(body) ? body : {spec: body};
  const [other] = Object.keys(others);
  if (other) throw new Error(`${other} of a study has no form`);
  const {preset, ...changes} = spec ?? {};
  const named = name ? {name} : {};
  form.spec = {...(preset ? merged(presetSpec(preset), changes) : {...blank(), ...spec}), ...named};
  study.value = {replicates, grid};
}

// As the service reads a preset: objects merge unless their kind differs.
function merged(base, changes) {
  const isObject = (value) => value && typeof value === "object" && !Array.isArray(value);
  const result = {...base};
  for (const [name, value] of Object.entries(changes)) {
    const old = base[name];
    result[name] = isObject(old) && isObject(value) && (value.kind ?? old.kind) === old.kind ? merged(old, value) : value;
  }
  return result;
}

at("submission").addEventListener("submit", send);
at("text").addEventListener("input", changed);
at("preset").addEventListener("change", () => {
  form.spec = presetSpec(at("preset").value);
  at("text").value = JSON.stringify(bodyOf(form.spec, study.value), null, 2);
  changed();
});
for (const radio of document.querySelectorAll("[name=view]")) radio.addEventListener("change", switchView);
begin().catch((problem) => {
  at("form").removeAttribute("aria-busy");
  at("fields").textContent = problem.message;
});
