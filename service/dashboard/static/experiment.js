// The page of an experiment: kept up to date by its event stream, and by what its viewer chooses.

import {call, say} from "./api.js";
import {showTimes} from "./format.js";
import {Gallery} from "./gallery.js";
import {Plots} from "./plots.js";

const PAUSE = 1000; // milliseconds between two refreshes
const POLL = 3000; // milliseconds between two polls, where there is no event stream

const live = document.getElementById("live");
const state = () => document.getElementById("state").dataset;
const title = document.title;
const plots = new Plots(document, document.getElementById("choice"));
const galleries = [...document.querySelectorAll("[data-images]")].map((form) => new Gallery(form));
let stopFollowing = null;

function show() {
  const {over, percent, learned, status} = state();
  document.title = over === "true" ? title : `${percent} % ${title}`;
  plots.refresh();
  for (const gallery of galleries) gallery.offer(new Set(learned.split(",").filter(Boolean)), status === "completed");
  if (over === "true") stopFollowing = stopFollowing?.();
}

function startFollowing() {
  if (state().over === "true" || stopFollowing) return;
  stopFollowing = follow(`${live.getAttribute("hx-get").replace("/dashboard", "")}/events`, refresh);
}

const refresh = throttled(() => htmx.trigger(live, "tgsh:news"), PAUSE);

// Calls `notify` at every event of the stream, or every POLL where there is no stream. Returns how to stop: a stream
// that has ended would be opened again. The events are not read: the stream begins with those of the past.
function follow(path, notify) {
  const source = new EventSource(path);
  let timer = null;
  const stop = () => {
    source.close();
    clearInterval(timer);
  };
  for (const kind of ["progress", "task", "status"]) source.addEventListener(kind, notify);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) timer ??= setInterval(notify, POLL);
    else notify(); // it connects again by itself
  });
  return stop;
}

// A function that does the work soon, but never more often than every `pause` milliseconds.
function throttled(work, pause) {
  let isPending = false;
  let isBusy = false;
  return async () => {
    isPending = true;
    if (isBusy) return;
    isBusy = true;
    while (isPending) {
      isPending = false;
      await work();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    isBusy = false;
  };
}

// <button data-copy="id">: copies the text of that element to the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    say("Copied.");
  } catch {
    // No clipboard on plain http: select it, so that Ctrl-C has it.
    source.closest("details").open = true;
    getSelection().selectAllChildren(source);
    say("Selected: copy it with Ctrl-C.");
  }
});
live.addEventListener("htmx:afterSettle", () => {
  showTimes();
  show();
  startFollowing(); // it may have been resumed
});
document.addEventListener("tgsh:changed", (event) => {
  if (event.target.dataset.then) location.assign(event.target.dataset.then);
  else refresh();
});
live.addEventListener("change", async ({target}) => {
  if (!target.dataset.share) return;
  try {
    await call("PATCH", target.dataset.share, {body: {shared: target.checked}});
    say(target.checked ? "Everybody with a key sees it now." : "Only its owner sees it now.");
  } catch (problem) {
    target.checked = !target.checked;
    say(problem.message);
  }
  refresh();
});

show();
startFollowing();
