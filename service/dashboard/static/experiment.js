// The page of an experiment: kept up to date while it is looked at, by the states that follow.js tells, and by what
// its viewer chooses. While it is hidden it asks nothing; its title goes on, as that costs no request.

import {call, say} from "./api.js";
import {follow} from "./follow.js";
import {showTimes} from "./format.js";
import {Gallery} from "./gallery.js";
import {notifyEnd, offerNotification} from "./notification.js";
import {Pairs} from "./pairs.js";
import {Plots} from "./plots.js";

const PAUSE = 1000; // milliseconds between two refreshes
const POLL = 3000; // milliseconds between two polls, while no states come
const SIGNS = {completed: "✓ ", failed: "✕ ", cancelled: "◌ "};
const NOTES = {
  unreachable: "The service does not answer. This page goes on by itself when it does.",
  locked: "Your key is not accepted any more. Load the page again to give another.",
  gone: "This experiment is gone: it was deleted, or is not shared with you any more.",
};

const live = document.getElementById("live");
const state = () => document.getElementById("state").dataset;
const title = document.title;
const plots = new Plots(document, document.getElementById("choice"));
const pairs = new Pairs(document.querySelector(".plot-similarity"), document.querySelector("form[data-images$=samples]").dataset.images);
const galleries = [...document.querySelectorAll("[data-images]")].map((form) => new Gallery(form));
const name = document.querySelector("#state h1").firstChild.textContent.trim();
const toldEnds = new Set(); // events; a state comes again with every connection
let following = null;
let polling = null;
let isStale = false; // something happened that the page does not show yet

function show() {
  const {over, percent, learned, status, there} = state();
  showParts(there);
  if (status === "completed") offerFigures();
  document.title = over === "true" ? title : `${percent} % ${title}`;
  if (over === "true") stopFollowing();
  else startFollowing();
  if (document.hidden) return (isStale = true); // it was opened in the background
  plots.refresh();
  if (status === "completed") pairs.offer();
  for (const gallery of galleries) gallery.offer(new Set(learned.split(",").filter(Boolean)), status === "completed");
}

// The parts of the page for which there is something; it ended before a task was learned, or goes on again.
function showParts(there) {
  for (const part of document.querySelectorAll("[data-takes]")) part.hidden = there === "nothing" || (there === "epochs" && part.dataset.takes === "tasks");
}

function offerFigures() {
  for (const figure of document.querySelectorAll("#figure option[data-title]:disabled")) Object.assign(figure, {disabled: false, textContent: figure.dataset.title});
}

const isLeaving = () => document.querySelector("#delete[aria-busy]"); // what is being deleted is not asked for again

const fetchState = throttled(() => isLeaving() || htmx.trigger(live, "tgsh:news"), PAUSE);

function refresh() {
  isStale = true;
  if (!document.hidden) fetchState();
}

function startFollowing() {
  following ??= follow(live.dataset.id, ({state: news, is}) => {
    if (news) take(news);
    else if (is === "locked") note("locked");
    else if (is === "live") note(null);
    poll(is === "lost");
  });
}

function stopFollowing() {
  following?.stop();
  following = null;
  poll(false);
}

function take({status, fraction, newest}) {
  if (status === null) {
    stopFollowing();
    return note("gone");
  }
  if (status in SIGNS) {
    document.title = SIGNS[status] + title;
    if (status !== state().status && !toldEnds.has(newest)) notifyEnd(name, status);
    toldEnds.add(newest);
  } else document.title = `${Math.round(100 * fraction)} % ${title}`;
  if (document.hidden && status in SIGNS) stopFollowing(); // the rest is fetched when it is shown again
  if (status !== state().status || newest > Number(state().newest)) refresh();
}

function poll(isNeeded) {
  clearInterval(polling);
  polling = isNeeded ? setInterval(refresh, POLL) : null;
}

function note(kind) {
  const place = document.getElementById("note");
  if (place.dataset.kind === (kind ?? "")) return;
  place.dataset.kind = kind ?? "";
  place.textContent = NOTES[kind] ?? "";
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

const isTyping = () => document.activeElement?.matches("#priority") && document.activeElement.value !== document.activeElement.defaultValue;

live.addEventListener("htmx:beforeSwap", (event) => {
  if (isTyping()) event.detail.shouldSwap = false; // what is typed stays; the change brings a refresh
});
live.addEventListener("focusout", () => isStale && refresh());
live.addEventListener("htmx:afterRequest", ({detail: {successful, xhr}}) => {
  if (successful) {
    if (document.getElementById("note").dataset.kind === "unreachable") note(null);
  } else if (xhr.status === 404) {
    stopFollowing();
    note("gone");
  } else {
    note(xhr.status === 401 || xhr.status === 403 ? "locked" : "unreachable");
    if (!polling && xhr.status !== 401) setTimeout(refresh, POLL);
  }
});
live.addEventListener("htmx:afterSettle", () => {
  isStale = false;
  showTimes();
  show(); // and follow: it may have been resumed
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && isStale) refresh();
});
document.addEventListener("tgsh:changed", (event) => {
  if (event.target.dataset.then) location.assign(event.target.dataset.then);
  else refresh();
});
live.addEventListener("change", async ({target}) => {
  const change = changeOf(target);
  if (!change) return;
  try {
    if (!target.checkValidity()) throw new Error(target.validationMessage);
    await call("PATCH", `/experiments/${live.dataset.id}`, {body: change.body});
    target.defaultValue = target.value;
    say(change.done);
  } catch (problem) {
    if (target.type === "checkbox") target.checked = !target.checked;
    else target.value = target.defaultValue;
    say(problem.message);
  }
  refresh();
});

function changeOf({id, checked, valueAsNumber}) {
  if (id === "share") return {body: {shared: checked}, done: checked ? "Everybody with a key sees it now." : "Only its owner sees it now."};
  if (id === "priority") return {body: {priority: valueAsNumber}, done: `Its priority is ${valueAsNumber} now.`};
  return null;
}

offerNotification();
show();
