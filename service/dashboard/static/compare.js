// Experiments side by side: asks GET /comparison, and shows what it answers.

import {call} from "./api.js";
import {matrix, minus, plane} from "./compare_plots.js";
import {draw} from "./experiment_theme.js";

const LETTERS = "ABCDEF";

const place = document.getElementById("comparison");
const said = place.querySelector("[data-summary]");
const number = (value, digits = 3) => (value === null ? "unknown" : value.toFixed(digits).replace("-", "−"));

function cell(row, text, {head = false, right = false} = {}) {
  const made = document.createElement(head ? "th" : "td");
  if (head) made.scope = row.parentElement.tagName === "THEAD" ? "col" : "row";
  if (right) made.className = "number";
  made.textContent = text;
  row.append(made);
}

function showPairs({experiments, pairs}) {
  const letter = (id) => LETTERS[experiments.findIndex((experiment) => experiment.id === id)];
  const body = place.querySelector("[data-pairs] tbody");
  for (const pair of pairs) {
    const row = body.insertRow();
    cell(row, `${letter(pair.a)} and ${letter(pair.b)}`, {head: true});
    for (const text of [number(pair.pearson), number(pair.spearman), number(pair.mantel?.p_value ?? null)]) {
      cell(row, text, {right: true});
    }
    cell(row, pair.same_base ? "the same" : "another");
  }
  const test = pairs.find((pair) => pair.mantel)?.mantel;
  place.querySelector("[data-test]").textContent = test
    ? `Correlations are of the similarities of all pairs of tasks. Mantel’s test shuffles the tasks of one matrix ${test.permutations.toLocaleString()} times (seed ${test.seed}): p is how often chance agrees as well. Vectors themselves can be compared where the random base is the same one.`
    : "Correlations are of the similarities of all pairs of tasks; they are unknown where a matrix is constant.";
}

function showDifferences({experiments, differences}) {
  const table = place.querySelector("[data-differences]");
  if (!differences.length) {
    cell(table.tBodies[0].insertRow(), "Nothing that has influence on the result.");
    return;
  }
  for (const text of ["Field", ...experiments.map((_, index) => LETTERS[index])]) cell(table.tHead.rows[0], text, {head: true});
  for (const {field, values} of differences) {
    const row = table.tBodies[0].insertRow();
    cell(row, field, {head: true});
    for (const value of values) cell(row, value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
  }
}

function figure(title, summary, where = "[data-plots]") {
  const made = document.createElement("figure");
  made.className = "plot";
  made.innerHTML = '<h3></h3><div class="place" role="group"></div><figcaption></figcaption>';
  made.querySelector("h3").textContent = title;
  made.querySelector(".place").setAttribute("aria-label", `${title}. ${summary}`);
  made.querySelector("figcaption").textContent = summary;
  place.querySelector(where).append(made);
  return made.querySelector(".place");
}

function showPlots({experiments, tasks, matrices, pairs}) {
  const drawn = experiments.map(({name}, index) => {
    const {plot, summary} = matrix(tasks, matrices[index]);
    return draw(figure(`${LETTERS[index]}: ${name}`, summary), plot, "comparison");
  });
  if (experiments.length === 2) {
    const difference = minus(tasks, ...matrices);
    drawn.push(draw(figure("A − B", difference.summary), difference.plot, "comparison"));
    const {plot, summary} = plane(tasks, ...matrices, pairs[0]);
    drawn.push(draw(figure("Each pair of tasks in A and in B", summary, "[data-plane]"), plot, "comparison"));
  }
  return Promise.all(drawn);
}

async function show() {
  try {
    const {document: found} = await call("GET", place.dataset.from);
    said.textContent = `${found.tasks.length} tasks that all ${found.experiments.length} have. `;
    const link = document.createElement("a");
    link.href = `${place.dataset.from}&format=csv`;
    link.download = "";
    link.textContent = "All similarities as csv";
    said.append(link);
    place.querySelector("[data-tables]").hidden = false;
    showPairs(found);
    showDifferences(found);
    await showPlots(found);
  } catch (problem) {
    said.textContent = `They cannot be compared: ${problem.message}.`;
    said.className = "problem";
  }
  place.removeAttribute("aria-busy");
}

show();
