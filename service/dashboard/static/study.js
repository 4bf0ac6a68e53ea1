// The page of a study: its state polls itself while the study is active (study_state.html); the plots are fetched again
// when another experiment has ended, and when the viewer chooses something else.

import {call, say} from "./api.js";
import {notifyEnd, offerNotification} from "./notification.js";
import {Plots} from "./plots.js";
import {element} from "./table.js";

const SIGNS = {completed: "✓ ", failed: "✕ ", cancelled: "◌ "};
const NOTES = {
  unreachable: "The service does not answer. This page goes on by itself when it does.",
  locked: "Your key is not accepted any more. Load the page again to give another.",
  gone: "This study is gone: it was deleted, or is not shared with you any more.",
};

const at = (id) => document.getElementById(id);
const live = at("live");
const path = `/studies/${live.dataset.id}`;
const choice = at("choice");
const title = document.title;
const plots = new Plots(document, choice, showSentences);
const state = () => at("state").dataset;
let shown = null; // how many were completed when the plots were fetched
let isOver = state().active === "false"; // when the page was loaded
const WATCH = 15_000; // ms between two looks of a hidden page, which asks for nothing else
let lastTold = state().status;

function show() {
  const {active, percent, status, completed} = state();
  document.title = active === "true" ? `${percent} % ${title}` : isOver ? title : SIGNS[status] + title;
  if (status !== lastTold) tell(status, percent);
  at("nothing").hidden = at("results").hidden = true;
  at(Number(completed) ? "results" : "nothing").hidden = false;
  if (document.hidden || completed === shown || !Number(completed)) return;
  shown = completed;
  plots.refresh();
}

// A page in the background goes on with its title, and tells the end once.
function tell(status, percent) {
  document.title = status in SIGNS ? SIGNS[status] + title : `${percent} % ${title}`;
  if (status === lastTold) return;
  lastTold = status;
  notifyEnd(document.querySelector("#state h1").firstChild.textContent.trim(), status);
}

setInterval(async () => {
  if (!document.hidden || lastTold in SIGNS) return;
  try {
    const {document: {status, progress}} = await call("GET", path);
    tell(status, Math.round(100 * progress.fraction));
  } catch {
    // the page says why when it is looked at
  }
}, WATCH);

// --- two pairs of tasks

const listed = () => choice.elements.pairs.value.split(",").filter(Boolean);

function setPairs(pairs) {
  choice.elements.pairs.value = pairs.join(",");
  choice.dispatchEvent(new Event("input"));
}

at("pairs")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const [a, b, c, d] = [...event.target.querySelectorAll("select")].map((select) => Number(select.value));
  const problem = at("pairs-problem");
  const isSame = (a === c && b === d) || (a === d && b === c);
  problem.textContent = a === b || c === d ? "A pair takes two tasks: choose two different ones." : isSame ? "These are the same pair: choose another one." : "";
  if (problem.textContent) return;
  const pair = `${a}-${b}:${c}-${d}`;
  setPairs([...listed().filter((one) => one !== pair), pair]);
});

function showSentences(figure, plot) {
  if (!figure.matches(".plot-differences")) return;
  const pairs = listed();
  at("pairs-problem").textContent = pairs.length && !plot.sentences?.length ? plot.summary : "";
  at("sentences").replaceChildren(
    ...(plot.sentences ?? []).map((sentence, index) => {
      const remove = element("button", {type: "button", className: "small outline", textContent: "Remove", ariaLabel: `Remove: ${sentence}`});
      remove.addEventListener("click", () => {
        setPairs(pairs.filter((_, place) => place !== index));
        at("pairs").querySelector("button").focus();
      });
      return element("li", {}, element("span", {textContent: sentence}), remove);
    }),
  );
}

choice.addEventListener("change", ({target}) => {
  if (target.name !== "cell") return;
  if ("ownTasks" in live.dataset) location.reload(); // the lists of tasks are others; the address says which
});

// --- what its owner changes

const extension = at("extend");

function further() {
  const {seeds, base_seeds: bases} = extension.elements;
  return [Number(seeds.value) || 0, Number(bases.value) || 0];
}

function tellCost() {
  const [seeds, bases] = further();
  const {seeds: s, bases: b, cells} = Object.fromEntries(Object.entries(extension.dataset).map(([name, value]) => [name, Number(value)]));
  const more = cells * ((s + seeds) * (b + bases) - s * b);
  extension.querySelector("[data-cost]").textContent = more > 0 ? `This adds ${more.toLocaleString()} experiment${more === 1 ? "" : "s"}; what was computed before costs nothing.` : "This adds nothing new; experiments that were deleted are trained again.";
}

extension?.addEventListener("input", tellCost);
extension?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [seeds, bases] = further();
  try {
    await call("POST", `${path}/extend`, {body: {...(seeds && {seeds}), ...(bases && {base_seeds: bases})}});
    location.reload(); // the choices, too, are of the seeds that there are
  } catch (problem) {
    extension.querySelector("[data-cost]").textContent = wordsOf(problem);
  }
});

const words = at("words");
words?.addEventListener("input", () => (at("saved").textContent = ""));
words?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {name, notes, tags, project, shared} = words.elements;
  const body = {name: name.value, notes: notes.value, tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean), project: project.value.trim() || null};
  if (shared) body.shared = shared.checked;
  try {
    await call("PATCH", path, {body});
    at("saved").textContent = "Saved.";
    htmx.trigger("#state", "anew");
  } catch (problem) {
    at("saved").textContent = wordsOf(problem);
  }
});

const wordsOf = (problem) => problem.errors.map(({field, message}) => `${field}: ${message}`).join("; ") || problem.message;

// --- its state

function note(kind) {
  const place = at("note");
  if (place.dataset.kind === (kind ?? "")) return;
  place.dataset.kind = kind ?? "";
  place.textContent = NOTES[kind] ?? "";
}

document.addEventListener("htmx:afterRequest", ({detail: {successful, xhr}}) => {
  if (successful) return note(null);
  note(xhr.status === 404 ? "gone" : xhr.status === 401 || xhr.status === 403 ? "locked" : "unreachable");
  if (xhr.status !== 404) return;
  const last = at("state").cloneNode(true); // asks no more, and its buttons change nothing
  for (const name of last.getAttributeNames()) if (name.startsWith("hx-")) last.removeAttribute(name);
  for (const buttons of last.querySelectorAll(".buttons")) buttons.remove();
  at("state").replaceWith(last);
});
document.addEventListener("htmx:afterSettle", show);
document.addEventListener("visibilitychange", () => !document.hidden && show());
document.addEventListener("tgsh:changed", ({target}) => {
  if (target.dataset.then) location.assign(target.dataset.then);
  else htmx.trigger("#state", "anew");
});

if (extension) tellCost();
offerNotification();
show();
