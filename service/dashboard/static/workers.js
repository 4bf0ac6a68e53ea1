// The page /dashboard/workers: GET /workers, polled every two seconds while the page is visible.

import {call} from "./api.js";
import {showTimes, formatBytes, formatSeconds} from "./format.js";
import {element, replace, table} from "./table.js";

const POLL = 2000; // ms
const at = (id) => document.getElementById(id);

const link = (id, name) => element("a", {href: `/dashboard/experiments/${id}`}, name);
const time = (iso) => element("time", {dateTime: iso}, iso);

// What a job that is no task does.
const KINDS = {
  finish: "puts the results together",
  preview: "draws a preview",
  placement: "places images",
  "accuracy-matrix": "measures the accuracy matrix",
};

function jobList(items) {
  if (!items.length) return element("span", {className: "quiet"}, "idle");
  const list = element("ul", {className: "plain"});
  for (const {kind, experiment_id: id, name, task_index: index, label, since, device} of items) {
    const what = KINDS[kind] ?? `task ${index}${label ? ` (${label})` : ""}`;
    const item = list.appendChild(element("li"));
    item.append(id ? link(id, name) : "an experiment of somebody else", `: ${what}`);
    item.append(element("small", {className: "quiet"}, device ? ` on ${device}` : "", since ? " since " : "", since ? time(since) : ""));
  }
  return list;
}

// A worker's processes, one a job at a time; null from an earlier version, which does not tell.
function childList(children) {
  if (!children) return "–";
  if (!children.length) return element("span", {className: "quiet"}, "none yet");
  const list = element("ul", {className: "plain children"});
  for (const {slot, pid, state, reason, since} of children) {
    const item = list.appendChild(element("li", {title: pid ? `process ${pid}` : ""}));
    item.append(`${slot} `, element("span", {className: `status child-${state}`}, state));
    if (state === "busy" || state === "idle") continue;
    if (since) item.append(element("small", {className: "quiet"}, " since ", time(since)));
    if (reason) item.append(element("small", {className: "reason"}, reason));
  }
  return list;
}

// ["cpu", "cpu"] as "2 × cpu": jobs at a time.
function counted(devices) {
  const names = [...new Set(devices)];
  return names.map((name) => [devices.filter((other) => other === name).length, name]).map(([count, name]) => (count > 1 ? `${count} × ${name}` : name)).join(", ");
}

function showWorkers(workers) {
  if (!workers.length) {
    return replace(at("workers"), element("p", {className: "problem"}, "No worker was seen lately. Start one with ", element("code", {}, "celery -A worker.app worker"), ", or everything with ", element("code", {}, "tgsh up"), "."));
  }
  const rows = workers.map((worker) => [
    element("span", {}, worker.host, element("small", {className: "quiet"}, ` process ${worker.pid}${worker.version ? `, tgsh ${worker.version}` : ""}`)),
    counted(worker.devices) + (worker.torch ? "" : ", no torch"),
    childList(worker.children),
    jobList(worker.working_on),
    formatBytes(worker.memory_bytes) + (worker.device_memory_bytes ? `, device ${formatBytes(worker.device_memory_bytes)}` : ""),
    time(worker.seen_at),
  ]);
  replace(at("workers"), table("Table of workers", ["Worker", "Devices", "Processes", "Works on", "Memory", "Last seen"], rows, {stacked: true}));
}

function showQueue({queued_jobs: queued, oldest_seconds: oldest, running_jobs: running, experiments}) {
  const age = oldest === null ? "" : `, the oldest for ${formatSeconds(oldest)}`;
  at("queue").textContent = `${running.toLocaleString()} running · ${queued.toLocaleString()} queued${queued ? age : ""}`;
  const rows = experiments.map(({id, name, queued: waiting, running: now}) => [id ? link(id, name) : "of somebody else", waiting, now]);
  const empty = element("p", {className: "quiet"}, "Nothing waits. ", element("a", {href: "/dashboard/submit"}, "Submit an experiment"));
  replace(at("waiting"), rows.length ? table("Table of experiments at work", ["Experiment", "Tasks queued", "Tasks running"], rows) : empty);
}

let timer;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return; // it asks when it is shown again
  try {
    const {document: status} = await call("GET", "/workers");
    showWorkers(status.workers);
    showQueue(status.queue);
    showTimes();
  } catch (problem) {
    at("queue").textContent = problem.message;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, POLL);
}

document.addEventListener("visibilitychange", refresh);
document.addEventListener("htmx:afterSwap", () => showTimes());
refresh();
