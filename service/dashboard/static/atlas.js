// The page /dashboard/atlas/BASE: the map, and the nearest tasks of the one that is chosen.

import {call} from "./api.js";
import {draw, showWarnings} from "./plots.js";

// Distinguishable for the colour-blind, on white and on black.
const COLOURS = ["#2f86c6", "#e69f00", "#1fa37c", "#cc79a7", "#56b4e9", "#d55e00", "#a89a12", "#8f6fc9"];
const FAINT = "rgba(128, 140, 155, 0.55)";
const SIGNS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star"];

const base = document.querySelector("[data-base]").dataset.base;
const map = document.getElementById("map");
const nearest = document.getElementById("nearest");
const question = document.getElementById("question");
const filters = new FormData(document.getElementById("filters"));

let document_ = null; // of the map
let places = new Map(); // "experiment task" -> point
let asked = 0; // a late response is not shown

const key = (experiment, task, placement) => `${experiment} ${placement ?? task}`;
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const written = (value, digits = 3) => value.toFixed(digits).replace("-", "−");

function countedAll({points, experiments}) {
  const placements = points.filter(({kind}) => kind === "placement").length;
  const tasks = `${counted(points.length - placements, "task")} of ${counted(experiments.length, "experiment")}`;
  return placements ? `${tasks} and ${counted(placements, "placement")}` : tasks;
}

// plotly takes a few tags in a text for markup
const literal = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
// Names of one study begin alike: what is left out is before the end.
const short = (text, most) => (text.length > most ? `${text.slice(0, Math.floor(most / 3))}…${text.slice(Math.floor(most / 3) + 1 - most)}` : text);

// GET; where the service reads for the first time and says 503, again: what is read stays.
async function patientGet(path, said, turns = 60) {
  for (;;) {
    try {
      return await call("GET", path);
    } catch (error) {
      if (error.status !== 503 || turns-- <= 0) throw error;
      said.textContent = `Reading: ${error.message} …`;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

function query(...names) {
  const found = new URLSearchParams();
  for (const name of names) if (filters.get(name)) found.set(name, filters.get(name));
  return found;
}

function gapsIn(place, gaps) {
  showWarnings(place, gaps.map(({reason, tasks, experiment}) => `${counted(tasks, "task")}${experiment ? ` of ${experiment.slice(0, 6)}` : ""} left out: ${reason}`));
}

function groupOf(experiment) {
  const by = filters.get("colour") || "experiment";
  return by === "experiment" ? experiment.name || experiment.id : experiment[by];
}

function traces() {
  const {experiments, points} = document_;
  const groups = new Map();
  for (const point of points) {
    if (point.kind === "placement") continue;
    const name = groupOf(experiments[point.experiment]);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(point);
  }
  const sorted = [...groups].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1));
  const main = sorted.slice(0, COLOURS.length);
  const others = sorted.slice(COLOURS.length).flatMap(([, members]) => members);
  const size = points.length > 2000 ? 5 : points.length > 300 ? 7 : 9;
  const trace = (name, members, color, symbol) => ({
    type: "scatter",
    mode: "markers",
    name: `${literal(short(name, 26))} (${members.length.toLocaleString("en")})`,
    x: members.map(({x}) => x),
    y: members.map(({y}) => y),
    text: members.map((point) => {
      const experiment = experiments[point.experiment];
      return `<b>${literal(short(point.label, 60))}</b><br>${literal(short(experiment.name || experiment.id, 60))}<br>${literal(short(experiment.dataset, 40))}, ${literal(experiment.suite)}`;
    }),
    customdata: members.map((point) => [experiments[point.experiment].id, point.task]),
    hovertemplate: "%{text}<extra></extra>",
    marker: {color, symbol, size, line: {color: "rgba(20, 30, 40, 0.5)", width: 0.5}},
  });
  const drawn = main.map(([name, members], index) => trace(name, members, COLOURS[index], SIGNS[index]));
  if (others.length) drawn.unshift(trace("others", others, FAINT, "circle"));
  const placements = points.filter(({kind}) => kind === "placement");
  if (placements.length) drawn.push(placed(placements, experiments, size));
  return drawn;
}

// New images that were placed, as stars that no task has.
function placed(placements, experiments, size) {
  return {
    type: "scatter",
    mode: "markers",
    name: `placements (${placements.length.toLocaleString("en")})`,
    x: placements.map(({x}) => x),
    y: placements.map(({y}) => y),
    text: placements.map(({label, experiment}) => `<b>${literal(short(label, 60))}</b><br>placed in ${literal(short(experiments[experiment].name || experiments[experiment].id, 60))}`),
    customdata: placements.map(({experiment, placement}) => [experiments[experiment].id, null, placement]),
    hovertemplate: "%{text}<extra></extra>",
    marker: {symbol: "star", size: size + 7, color: "#fff", line: {color: "#d1495b", width: 2}},
  };
}

const placementPage = (experiment, placement) => `/dashboard/experiments/${experiment}/placements?placement=${placement}`;

function marked(chosen, found) {
  const of = (tasks) => tasks.map(({experiment, task, placement}) => places.get(key(experiment, task, placement))).filter(Boolean);
  const ring = (name, members, size, color) => ({
    type: "scatter", mode: "markers", name, hoverinfo: "skip",
    x: members.map(({x}) => x), y: members.map(({y}) => y),
    marker: {symbol: "circle-open", size, color, line: {width: 2.5, color}},
  });
  const rings = [];
  if (of(found).length) rings.push(ring("nearest", of(found), 14, "#d1495b"));
  if (chosen && of([chosen]).length) rings.push(ring("chosen task", of([chosen]), 20, "#8a97a8"));
  return rings;
}

async function drawMap(chosen = null, found = []) {
  if (!document_?.points.length) return;
  const names = document_.explained.map((share, index) => `axis ${index + 1} (${(100 * share).toFixed(1)} %)`);
  const axis = (title) => ({title: {text: title ?? ""}, zeroline: false});
  const place = map.querySelector(".place");
  const data = [...traces(), ...marked(chosen, found)];
  const columns = Math.max(1, Math.floor((place.clientWidth - 64) / 240)); // of the legend
  const layout = {
    margin: {t: 10, b: 56 + 19 * Math.ceil(data.length / columns), l: 54, r: 10},
    xaxis: axis(names[0]),
    yaxis: {...axis(names[1]), scaleanchor: "x"},
    hovermode: "closest",
    showlegend: true,
    legend: {orientation: "h", yref: "container", y: 0, yanchor: "bottom", font: {size: 11}},
  };
  await draw(place, {data, layout}, `atlas ${base} ${query("method", "dataset", "suite", "owner", "project")}`);
  if (!place.dataset.listens) {
    place.dataset.listens = "yes";
    place.on("plotly_click", ({points: [{customdata}]}) => {
      if (customdata?.[2]) location.assign(placementPage(customdata[0], customdata[2]));
      else if (customdata) choose(...customdata);
    });
  }
}

function choose(experiment, task) {
  const select = question.elements.experiment;
  if (![...select.options].some(({value}) => value === experiment)) {
    const name = document_.experiments.find(({id}) => id === experiment)?.name || experiment;
    select.append(new Option(`${name} (${experiment.slice(0, 6)})`, experiment));
  }
  select.value = experiment;
  question.elements.task.value = task;
  find();
}

async function showMap() {
  const said = map.querySelector("[data-summary]");
  try {
    const parameters = query("method", "dataset", "suite", "owner", "project");
    const {document: found} = await patientGet(`/bases/${base}/map?${parameters}`, said);
    document_ = found;
    places = new Map(found.points.map((point) => [key(found.experiments[point.experiment].id, point.task, point.placement), point]));
    const words = {mds: "Landmark MDS of 1 − cosine", pca: "PCA of directions", umap: "UMAP of cosines"}[found.method];
    const exact = found.vectors === "exact" ? "" : ", of sketches";
    said.textContent = found.points.length
      ? `${countedAll(found)}. ${words}${exact}; stress ${written(found.stress, 2)}: a plane cannot show all distances, so ask for the nearest tasks before you trust it.`
      : "No learned task fits.";
    map.classList.toggle("nothing", !found.points.length);
    gapsIn(map.querySelector("[data-gaps]"), found.left_out);
    if (found.points.length) showLinks(parameters);
    await drawMap();
  } catch (error) {
    said.textContent = `The map cannot be shown: ${error.message}`;
    map.classList.add("nothing");
  } finally {
    map.removeAttribute("aria-busy");
  }
}

function showLinks(parameters) {
  const links = ["csv", "npy", "png", "svg", "pdf"].map((format) => {
    const more = new URLSearchParams(parameters);
    if (filters.get("colour")) more.set("colour", filters.get("colour"));
    more.set("format", format);
    const link = document.createElement("a");
    link.href = `/bases/${base}/map?${more}`;
    link.download = "";
    link.textContent = format;
    link.setAttribute("aria-label", `Map as ${format}`);
    return link;
  });
  map.querySelector("[data-links]").replaceChildren(...links);
}

function cell(row, content, {head = false, right = false} = {}) {
  const element = document.createElement(head ? "th" : "td");
  if (head) element.scope = "row";
  if (right) element.className = "number";
  element.append(content);
  row.append(element);
}

function link(text, href) {
  const element = document.createElement("a");
  element.href = href;
  element.textContent = text;
  return element;
}

function address(experiment, task) {
  const parameters = query("method", "colour", "dataset", "suite", "owner", "project");
  parameters.set("experiment", experiment);
  parameters.set("task", task);
  if (question.elements.other.checked) parameters.set("other", "true");
  return `${location.pathname}?${parameters}`;
}

async function find() {
  const experiment = question.elements.experiment.value;
  const task = Number(question.elements.task.value);
  if (!experiment) return;
  const turn = ++asked;
  const said = nearest.querySelector("[data-summary]");
  const table = nearest.querySelector("[data-table]");
  history.replaceState(null, "", address(experiment, task));
  try {
    const parameters = query("dataset", "suite", "owner", "project");
    parameters.set("experiment", experiment);
    parameters.set("task", task);
    if (question.elements.other.checked) parameters.set("other", "true");
    const {document: found} = await patientGet(`/bases/${base}/nearest?${parameters}`, said);
    if (turn !== asked) return;
    said.textContent = `Most like ${found.label}, among ${counted(found.compared - found.placements, "task")} of ${counted(found.experiments, "experiment")}${found.placements ? ` and ${counted(found.placements, "placement")}` : ""}.`;
    table.hidden = !found.nearest.length;
    const body = table.querySelector("tbody");
    body.replaceChildren();
    for (const near of found.nearest) {
      const row = body.insertRow();
      cell(row, written(near.similarity), {right: true});
      const isPlacement = near.kind === "placement";
      cell(row, isPlacement ? link(`★ ${near.label}`, placementPage(near.experiment, near.placement)) : link(near.label || `task ${near.task}`, address(near.experiment, near.task)), {head: true});
      cell(row, link(near.name || near.experiment, `/dashboard/experiments/${near.experiment}`));
      cell(row, isPlacement ? `${near.dataset}, placed` : `${near.dataset}, ${near.suite}`);
    }
    gapsIn(nearest.querySelector("[data-gaps]"), found.left_out);
    await drawMap({experiment, task}, found.nearest);
  } catch (error) {
    if (turn !== asked) return;
    said.textContent = `Not found: ${error.message}`;
    table.hidden = true;
  }
}

if (question) {
  question.addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
}
for (const select of document.querySelectorAll("#filters select")) select.addEventListener("change", () => select.form.requestSubmit());
await showMap();
if (question?.elements.experiment.value) await find();
