// The cost of a spec or of a study before it is submitted: POST /estimates, which also validates the spec.

import {call} from "./api.js";
import {formatSeconds} from "./format.js";

const at = (id) => document.getElementById(id);
let request; // the previous one is aborted

// onProblem(Problem or null): called with what is wrong with the spec.
export async function showEstimate(spec, onProblem) {
  request?.abort();
  request = new AbortController();
  try {
    const {document} = await call("POST", "/estimates", {body: spec, signal: request.signal});
    onProblem(null);
    if ("experiments" in document) showStudy(document);
    else show(document);
  } catch (error) {
    if (error.name === "AbortError") return;
    reset();
    if (error.status === 422) {
      at("estimate").replaceChildren(line("Something in the spec has to be changed first.", "quiet"));
      onProblem(error);
    } else at("estimate").replaceChildren(line(error.message, "quiet"));
  }
}

function line(words, kind = "") {
  return Object.assign(document.createElement("p"), {textContent: words, className: kind});
}

function reset() {
  const send = at("send");
  delete send.dataset.anew;
  send.textContent = "Submit";
  send.classList.remove("secondary", "outline");
  at("open-stored").hidden = true;
}

function show(estimate) {
  reset();
  const rows = [
    ["Tasks", estimate.tasks.toLocaleString()],
    ["Task-epochs", estimate.task_epochs.toLocaleString()],
    [`On today's ${estimate.workers === 1 ? "worker" : `${estimate.workers} workers`}`, time(estimate)],
    ["Place in the queue", queue(estimate)],
  ];
  const parts = [listOf(rows)];
  if (!estimate.workers) parts.push(line("No worker is there: it would wait until one is started.", "problem"));
  if (estimate.stored) parts.push(line("This was computed before, with the same result to the byte."));
  for (const warning of estimate.warnings ?? []) parts.push(line(`${warning}.`, "problem"));
  at("estimate").replaceChildren(...parts);
  if (estimate.stored) offerStored(estimate.stored);
}

function listOf(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    list.append(Object.assign(document.createElement("dt"), {textContent: name}));
    list.append(Object.assign(document.createElement("dd"), {textContent: value}));
  }
  return list;
}

function showStudy(study) {
  reset();
  const {experiments, stored, cells, queue_seconds: wait} = study;
  const isNew = stored < experiments;
  const basis = cells.some((cell) => cell.basis === "typical") ? "typical" : "measured";
  const rows = [
    ["Experiments", experiments.toLocaleString()],
    ["Computed before", stored ? `${stored.toLocaleString()}, at no cost` : "none"],
    ["Tasks to train", study.tasks.toLocaleString()],
    ["Task-epochs", study.task_epochs.toLocaleString()],
    [`On today's ${study.workers === 1 ? "worker" : `${study.workers} workers`}`, isNew ? time({...study, basis}) : "nothing to do"],
    ["Longer for what waits", isNew && wait ? `about ${formatSeconds(wait)}` : "–"],
  ];
  const parts = [listOf(rows)];
  if (!study.workers && isNew) parts.push(line("No worker is there: it would wait until one is started.", "problem"));
  for (const warning of new Set(cells.flatMap((cell) => cell.warnings ?? []))) parts.push(line(`${warning}.`, "problem"));
  at("estimate").replaceChildren(...parts);
  at("send").textContent = `Submit study of ${experiments.toLocaleString()} experiment${experiments === 1 ? "" : "s"}`;
}

function offerStored(id) {
  const open = at("open-stored"), send = at("send");
  open.href = `/dashboard/experiments/${id}`;
  open.hidden = false;
  send.textContent = "Run anew";
  send.dataset.anew = "true";
  send.classList.add("secondary", "outline");
}

function time({seconds, basis, workers}) {
  if (!workers) return "–";
  if (seconds === null) return "not known yet";
  return `about ${formatSeconds(seconds)}${basis === "typical" ? ", by typical machines" : ""}`;
}

function queue({experiments_ahead: ahead, tasks_ahead: tasks, queue_seconds: wait}) {
  if (!tasks) return "next";
  const others = ahead === 1 ? "1 experiment" : `${ahead} experiments`;
  const seconds = wait === null ? "" : `, about ${formatSeconds(wait)}`;
  return `behind ${tasks.toLocaleString()} tasks of ${others}${seconds}`;
}
