// The page /dashboard/compare: GET /comparison as tables and plots.

import {call} from "./api.js";
import {digitsToTell} from "./format.js";
import {draw, showWarnings} from "./plots.js";

// A to Z, AA to AX: fifty at most.
const LETTERS = ["", "A"].flatMap((tens) => [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter) => tens + letter));
const MANY = 6; // above it, plots are small and the table of differences has a row an experiment

const place = document.getElementById("comparison");
const summaryLine = place.querySelector("[data-summary]");
const number = (value, digits = 3) => (value === null ? "unknown" : value.toFixed(digits).replace("-", "−"));
const brief = (value) => (Math.abs(value) < 0.01 ? String(Number(value.toPrecision(2))).replace("-", "−") : number(value, 2));
const numbers = (values) => {
  const digits = digitsToTell(values);
  return values.map((value) => number(value, digits));
};
// In percent, with as many digits as tell them apart, as the list of those that are chosen has them.
const accuracies = (experiments) => {
  const values = experiments.map(({mean_accuracy: accuracy}) => accuracy === null ? null : 100 * accuracy);
  const digits = digitsToTell(values, 1, 4);
  return values.map((value) => (value === null ? "–" : `${value.toFixed(digits)} %`));
};

function cell(row, text, {head = false, right = false} = {}) {
  const element = document.createElement(head ? "th" : "td");
  if (head) element.scope = row.parentElement.tagName === "THEAD" ? "col" : "row";
  if (right) element.className = "number";
  element.textContent = text;
  row.append(element);
}

function hasSeveralBases(experiments, {a, b}) {
  return experiments.some(({id, base_id: base}) => (id === a || id === b) && base === null);
}

function showPairs({experiments, pairs, warnings = []}) {
  const letter = (id) => LETTERS[experiments.findIndex((experiment) => experiment.id === id)];
  const body = place.querySelector("[data-pairs] tbody");
  const columns = [
    pairs.map(({pearson}) => pearson),
    pairs.map(({spearman}) => spearman),
    pairs.map(({mantel}) => mantel?.p_value ?? null),
  ].map(numbers);
  for (const [index, pair] of pairs.entries()) {
    const row = body.insertRow();
    cell(row, `${letter(pair.a)} and ${letter(pair.b)}`, {head: true});
    const [pearson, spearman, p] = columns.map((texts) => texts[index]);
    for (const text of [pearson, spearman, pair.mantel ? p : "no test"]) {
      cell(row, text, {right: true});
    }
    cell(row, pair.same_base ? "the same" : hasSeveralBases(experiments, pair) ? "several" : "another");
  }
  const test = pairs.find((pair) => pair.mantel)?.mantel;
  place.querySelector("[data-test]").textContent = test
    ? `Correlations are of the similarities of all pairs of tasks. Mantel’s test shuffles the tasks of one matrix ${test.permutations.toLocaleString()} times (seed ${test.seed}): p is how often chance agrees as well. Vectors themselves can be compared where the random base is the same one.`
    : warnings.length
      ? "Correlations are of the similarities of all pairs of tasks. Mantel’s test is not made where the tasks of an experiment share no random base: p would be read as evidence."
      : "Correlations are of the similarities of all pairs of tasks; they are unknown where a matrix is constant.";
}

// Of pairs with a study: whether they differ more than replicates do.
function showReplicates({experiments, pairs}) {
  const part = place.querySelector("[data-replicates]");
  const letter = (id) => LETTERS[experiments.findIndex((experiment) => experiment.id === id)];
  for (const {a, b, replicates} of pairs.filter((pair) => pair.replicates)) {
    const row = part.querySelector("tbody").insertRow();
    cell(row, `${letter(a)} and ${letter(b)}`, {head: true});
    cell(row, replicates.verdict);
    for (const value of [replicates.p, replicates.between, replicates.within]) cell(row, number(value), {right: true});
    part.hidden = false;
  }
}

// Warnings with letters in place of ids.
function named({experiments, warnings = []}) {
  return warnings.map((warning) => experiments.reduce((text, {id}, index) => text.replaceAll(id, LETTERS[index]), warning));
}

// What was left out, and why.
function showNotes({experiments, notes = []}) {
  const leftOut = experiments.flatMap(({note, name}, index) => (note ? [`${LETTERS[index]} (${name}) is left out: ${note}`] : []));
  showWarnings(place.querySelector("[data-notes]"), [...leftOut, ...named({experiments, warnings: notes})]);
}

function written(value) {
  return value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

// A row an experiment, with its accuracy: fifty columns would be too many.
function showManyDifferences(table, {experiments, differences}) {
  for (const text of ["Letter", "Experiment", "Accuracy", ...differences.map(({field}) => field)]) cell(table.tHead.rows[0], text, {head: true});
  const shown = accuracies(experiments);
  for (const [index, {name}] of experiments.entries()) {
    const row = table.tBodies[0].insertRow();
    cell(row, LETTERS[index], {head: true});
    for (const text of [name, shown[index]]) cell(row, text);
    for (const {values} of differences) cell(row, written(values[index]));
  }
}

function showDifferences({experiments, differences}) {
  const table = place.querySelector("[data-differences]");
  if (experiments.length > MANY) {
    showManyDifferences(table, {experiments, differences});
    return;
  }
  for (const text of ["Field", ...experiments.map((_, index) => LETTERS[index])]) cell(table.tHead.rows[0], text, {head: true});
  const row = table.tBodies[0].insertRow();
  cell(row, "mean accuracy", {head: true});
  for (const text of accuracies(experiments)) cell(row, text);
  if (!differences.length) {
    cell(table.tBodies[0].insertRow(), "Nothing that has influence on the result differs.");
    table.tBodies[0].lastChild.lastChild.colSpan = experiments.length + 1;
  }
  for (const {field, values} of differences) {
    const row = table.tBodies[0].insertRow();
    cell(row, field, {head: true});
    for (const value of values) cell(row, written(value));
  }
}

function figure(title, summary, where = "[data-plots]") {
  const element = document.createElement("figure");
  element.className = "plot";
  element.innerHTML = '<h3></h3><div class="place" role="group"></div><figcaption></figcaption>';
  element.querySelector("h3").textContent = title;
  element.querySelector(".place").setAttribute("aria-label", `${title}. ${summary}`);
  element.querySelector("figcaption").textContent = summary;
  place.querySelector(where).append(element);
  return element.querySelector(".place");
}

function showPlots({experiments, tasks, matrices, pairs}) {
  const shown = experiments.map((_, index) => index).filter((index) => matrices[index].length);
  const isMany = shown.length > MANY;
  place.querySelector("[data-plots]").classList.toggle("many", isMany);
  const plots = shown.map((index) => {
    const {plot, summary} = similarityPlot(tasks, matrices[index]);
    if (isMany) small(plot);
    const {name, replicates} = experiments[index];
    const title = replicates ? `${name}, mean of ${replicates}` : name;
    return draw(figure(`${LETTERS[index]}: ${title}`, summary), plot, "comparison");
  });
  if (shown.length > MANY) {
    const {plot, summary} = agreementPlot(experiments, pairs);
    plots.push(draw(figure("Pearson of every pair", summary, "[data-plane]"), plot, "comparison"));
  } else if (shown.length === 2 && experiments.length === 2) {
    const difference = differencePlot(tasks, ...matrices);
    plots.push(draw(figure("A − B", difference.summary), difference.plot, "comparison"));
    const {plot, summary} = scatterPlot(tasks, ...matrices, pairs[0]);
    plots.push(draw(figure("Each pair of tasks in A and in B", summary, "[data-plane]"), plot, "comparison"));
  }
  return Promise.all(plots);
}

async function show() {
  try {
    const {document: comparison} = await call("GET", place.dataset.from);
    const compared = comparison.experiments.filter(({note}) => !note).length;
    if (compared) {
      summaryLine.textContent = `${comparison.tasks.length} tasks that ${compared === 2 ? "both" : `all ${compared}`} have. `;
    } else {
      summaryLine.textContent = "No two of them have three tasks in common: what differs is below.";
    }
    const has = {matrices: compared, correlations: compared, difference: compared === 2, specs: true};
    for (const line of place.querySelectorAll(".exports [data-part]")) line.hidden = !has[line.dataset.part];
    place.querySelector(".exports").hidden = false;
    place.querySelector("[data-tables]").hidden = false;
    place.querySelector("[data-agree]").hidden = !comparison.pairs.length;
    showNotes(comparison);
    showWarnings(place.querySelector("[data-warnings]"), named(comparison));
    showPairs(comparison);
    showReplicates(comparison);
    showDifferences(comparison);
    await showPlots(comparison);
  } catch (problem) {
    summaryLine.textContent = `They cannot be compared: ${problem.message}.`;
    summaryLine.className = "problem";
  }
  place.removeAttribute("aria-busy");
}

// --- Traces of plotly.js, each with a sentence that describes it.

// Labels for plotly: unique, with HTML escaped.
function names(tasks) {
  return tasks.map((label, index) => {
    const name = tasks.indexOf(label) === index ? label : `${label} #${index}`;
    return name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  });
}

function pairsOf(tasks) {
  return tasks.flatMap((_, i) => tasks.slice(i + 1).map((_, k) => [i, i + 1 + k]));
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function heatmap(tasks, values, format = ".3f") {
  const labels = names(tasks);
  const room = 14 + 6.2 * Math.min(28, Math.max(...tasks.map((label) => label.length)));
  const ends = [-0.5, tasks.length - 0.5];
  const axis = {type: "category", categoryorder: "array", categoryarray: labels, showgrid: false, zeroline: false, showline: true, mirror: true};
  const gap = tasks.length <= 60 ? 1 : 0;
  return {
    data: [{
      type: "heatmap", x: labels, y: labels, z: values, xgap: gap, ygap: gap, coloraxis: "coloraxis",
      hovertemplate: `%{y} and %{x}: <b>%{z:${format}}</b><extra></extra>`,
    }],
    layout: {
      margin: {t: 10, b: room, l: room, r: 8},
      xaxis: {...axis, range: ends, tickangle: -90},
      yaxis: {...axis, range: [...ends].reverse()},
    },
  };
}

// The similarities of one experiment, or the mean of a study.
function similarityPlot(tasks, values) {
  const all = pairsOf(tasks).map(([i, k]) => values[i][k]);
  const summary = all.length ? `Mean of all pairs ${number(mean(all), 2)}, from ${number(Math.min(...all), 2)} to ${number(Math.max(...all), 2)}.` : "";
  return {plot: heatmap(tasks, values), summary};
}

// A heatmap without labels and colour bar, one of many.
function small(plot) {
  plot.layout.margin = {t: 4, b: 4, l: 4, r: 4};
  for (const axis of [plot.layout.xaxis, plot.layout.yaxis]) axis.showticklabels = false;
  plot.layout.coloraxis = {showscale: false};
}

// Pearson of every pair of experiments.
function agreementPlot(experiments, pairs) {
  const compared = experiments.flatMap(({note}, index) => (note ? [] : [index]));
  const placeOf = new Map(compared.map((index, row) => [experiments[index].id, row]));
  const values = compared.map((_, i) => compared.map((__, k) => (i === k ? 1 : null)));
  for (const {a, b, pearson} of pairs) {
    const [i, k] = [placeOf.get(a), placeOf.get(b)];
    values[i][k] = values[k][i] = pearson;
  }
  const known = pairs.map(({pearson}) => pearson).filter((pearson) => pearson !== null);
  const summary = known.length ? `From ${number(Math.min(...known), 2)} to ${number(Math.max(...known), 2)}, mean ${number(mean(known), 2)}.` : "";
  return {plot: heatmap(compared.map((index) => LETTERS[index]), values, `.${digitsToTell(known)}f`), summary};
}

// The difference a − b, on a scale of its own.
function differencePlot(tasks, a, b) {
  const values = a.map((row, i) => row.map((value, k) => value - b[i][k]));
  const pairs = pairsOf(tasks);
  const sizes = pairs.map(([i, k]) => Math.abs(values[i][k]));
  const most = Math.max(0.05, ...sizes);
  const [i, k] = pairs[sizes.indexOf(Math.max(...sizes))];
  const plot = heatmap(tasks, values, ".3~g");
  const edge = Number(most.toPrecision(2));
  plot.layout.coloraxis = {cmin: -edge, cmax: edge, colorbar: {tickvals: [-edge, 0, edge]}};
  return {plot, summary: `Mean absolute difference ${brief(mean(sizes))}; most between ${tasks[i]} and ${tasks[k]} (${brief(values[i][k])}). Colours go to ±${edge}.`};
}

// A scatter plot with a point for each pair of tasks.
function scatterPlot(tasks, a, b, {pearson}) {
  const pairs = pairsOf(tasks);
  const labels = names(tasks);
  const [x, y] = [a, b].map((values) => pairs.map(([i, k]) => values[i][k]));
  const [low, high] = [Math.min(...x, ...y), Math.max(...x, ...y)];
  const plot = {
    data: [
      {type: "scatter", mode: "lines", x: [low, high], y: [low, high], line: {color: "rgba(128, 140, 155, 0.45)", dash: "dash"}, hoverinfo: "skip"},
      {
        type: "scatter", mode: "markers", x, y, marker: {size: 5, opacity: 0.55, color: "#3584c8"},
        text: pairs.map(([i, k]) => `${labels[i]} and ${labels[k]}`),
        hovertemplate: "%{text}: A <b>%{x:.3f}</b>, B <b>%{y:.3f}</b><extra></extra>",
      },
    ],
    layout: {
      margin: {t: 10, b: 42, l: 52, r: 12},
      xaxis: {title: {text: "similarity in A"}, zeroline: false},
      yaxis: {title: {text: "similarity in B"}, zeroline: false},
      showlegend: false,
    },
  };
  return {plot, summary: `${pairs.length.toLocaleString()} pairs of tasks; on the dashed line both agree. Pearson ${number(pearson)}.`};
}

show();
