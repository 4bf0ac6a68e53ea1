// The page of an experiment: what it shows follows what happens to it, and what its viewer chooses.

import {call, say} from "./api.js";
import {copyOnClick} from "./experiment_copy.js";
import {follow, paced} from "./experiment_follow.js";
import {Gallery} from "./experiment_gallery.js";
import {Plots} from "./experiment_plots.js";
import {showTimes} from "./times.js";

const PAUSE = 1000; // milliseconds between two looks

const live = document.getElementById("live");
const state = () => document.getElementById("state").dataset;
const title = document.title;
const plots = new Plots(document, document.getElementById("choice"));
const galleries = [...document.querySelectorAll("[data-images]")].map((form) => new Gallery(form));
let stop = null;

function show() {
  const {over, percent, learned, status} = state();
  document.title = over === "true" ? title : `${percent} % ${title}`;
  plots.refresh();
  for (const gallery of galleries) gallery.offer(new Set(learned.split(",").filter(Boolean)), status === "completed");
  if (over === "true") stop = stop?.();
}

function begin() {
  if (state().over === "true" || stop) return;
  stop = follow(`${live.getAttribute("hx-get").replace("/dashboard", "")}/events`, look);
}

const look = paced(() => htmx.trigger(live, "tgsh:news"), PAUSE);

live.addEventListener("htmx:afterSettle", () => {
  showTimes();
  show();
  begin(); // it may have been resumed
});
document.addEventListener("tgsh:changed", (event) => {
  if (event.target.dataset.then) location.assign(event.target.dataset.then);
  else look();
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
  look();
});

copyOnClick();
show();
begin();
