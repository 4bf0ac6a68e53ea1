// The page /dashboard/submit: a spec or a study as a form or as JSON, its estimate, its preview, its submission.

import {Problem, call, say} from "./api.js";
import {Changes, NAMES, differences} from "./changes.js";
import {showEstimate} from "./estimate.js";
import {SpecForm, formSchema, lack} from "./form.js";
import {showPreview} from "./preview.js";
import {StudyFields, bodyOf, isStudy} from "./replicates.js";

const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const WAIT = 500; // ms after the last keystroke

const REMARKS = ["notes", "project", "shared", "priority", "webhook"]; // of a submission, in no source
const EMPTY = {name: "", tags: []};

let catalog, form, study, changes, timer;
let experiment; // the source that the address names
let source; // what the form was filled from: {spec, of, link}
let given = {}; // name and tags as the form was filled with them: a person has not written these
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
  changes = new Changes(form, at("changes"), setBack);
  at("form").removeAttribute("aria-busy");
  const id = query.get("from");
  if (id) {
    const {name, spec} = (await call("GET", `/experiments/${encodeURIComponent(id)}`)).document;
    const of = `experiment ${id.slice(0, 6)}`;
    at("preset").prepend(Object.assign(document.createElement("option"), {value: id, textContent: `${name} (${of})`}));
    experiment = {id, spec, of, link: `/dashboard/experiments/${id}`};
  }
  at("preset").value = id ?? query.get("preset") ?? at("preset").value;
  try {
    startFrom(sourceOf(at("preset").value));
    if (query.has("dataset")) form.spec = {...form.spec, dataset: {id: query.get("dataset")}};
  } catch (error) {
    showAsText(error);
  }
  if (query.has("study")) study.open();
  changed();
}

// What has no form is written as JSON.
function showAsText(error) {
  document.querySelector("[value=json]").checked = true;
  at("text").value = JSON.stringify(source.spec, null, 2);
  at("form").hidden = true;
  at("json").hidden = false;
  say(`${error.message}: it is shown as JSON`);
}

async function uploadedDatasets() {
  try {
    return (await call("GET", "/datasets?limit=200")).document.items ?? [];
  } catch {
    return []; // a service without them
  }
}

function sourceOf(value) {
  if (experiment?.id === value) return experiment;
  return {spec: presetSpec(value), of: value || "the paper’s defaults"};
}

// Fill the form. What a person wrote that decides no result stays.
function startFrom(next, spec = next.spec) {
  const written = source ? writtenOf(form.spec) : {};
  source = next;
  given = Object.fromEntries(NAMES.filter((name) => !(name in written)).map((name) => [name, spec[name]]));
  form.spec = {...spec, ...written};
}

// Of the names and remarks those that a person wrote.
function writtenOf(spec) {
  const isWritten = (name) => spec[name] !== undefined && JSON.stringify(spec[name]) !== JSON.stringify(given[name]);
  return Object.fromEntries([...NAMES, ...REMARKS].filter(isWritten).map((name) => [name, spec[name]]));
}

// The source's name and tags are those of its spec as it is: they go while something differs, and come again.
function nameIt() {
  const spec = form.spec;
  const isOther = differences(source.spec, spec).length > 0;
  for (const [name, value] of Object.entries(given)) {
    if (JSON.stringify(spec[name]) !== JSON.stringify(value)) delete given[name]; // a person wrote it
    else {
      given[name] = isOther ? EMPTY[name] : source.spec[name];
      if (JSON.stringify(given[name]) !== JSON.stringify(value)) form.put([name], given[name]);
    }
  }
}

function setBack(found) {
  for (const {path, before} of found) {
    if (path.at(-1) === "kind") form.put(path.slice(0, -1), before);
    else form.put(path, before);
  }
  changed();
}

const presetSpec = (name) => catalog.presets.find((preset) => preset.name === name)?.details.spec ?? blank();

function blank() {
  const paper = catalog.presets.find((preset) => preset.name === "rotation-mnist").details.spec;
  return {...paper, name: "", tags: []};
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
  if (isJson()) showChanges();
  else {
    form.adapt();
    nameIt();
    changes.show(source, form.spec, true);
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, WAIT);
}

// Of a text that is being written, where it is JSON.
function showChanges() {
  try {
    const body = JSON.parse(at("text").value);
    const {preset, ...spec} = isStudy(body) ? body.spec : body;
    changes.show(source, merged(preset ? presetSpec(preset) : blank(), spec), false);
  } catch {
    changes.hide();
  }
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
  const {preset, ...own} = spec ?? {};
  const named = name ? {name} : {};
  if (preset) {
    at("preset").value = preset;
    source = sourceOf(preset);
    given = Object.fromEntries(NAMES.filter((each) => !(each in own)).map((each) => [each, source.spec[each]]));
  }
  form.spec = {...(preset ? merged(source.spec, own) : {...blank(), ...spec}), ...named};
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
  try {
    startFrom(sourceOf(at("preset").value));
    at("text").value = JSON.stringify(bodyOf(form.spec, study.value), null, 2);
  } catch (error) {
    showAsText(error);
  }
  changed();
});
for (const radio of document.querySelectorAll("[name=view]")) radio.addEventListener("change", switchView);
begin().catch((problem) => {
  at("form").removeAttribute("aria-busy");
  at("fields").textContent = problem.message;
});
