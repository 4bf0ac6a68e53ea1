// Tables: built from documents of the API (a cell is text, a number, or an element), and the choice of
// experiments in the table of the start page, to compare them or to do one thing to all.

import {batchActions} from "./batch.js";
import {showTimes} from "./format.js";

// stacked: on narrow screens each row is a block, a cell a line with its heading.
export function table(name, headings, rows, {stacked = false} = {}) {
  const around = document.createElement("div");
  around.className = "wide";
  around.tabIndex = 0;
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", name);
  const grid = around.appendChild(element("table", {className: stacked ? "stack" : ""}));
  const head = grid.createTHead().insertRow();
  headings.forEach((words, index) => {
    head.append(element("th", {scope: "col", className: typeof rows[0]?.[index] === "number" ? "number" : ""}, words));
  });
  const body = grid.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, index) => {
      const place = row.appendChild(element(index ? "td" : "th", index ? {} : {scope: "row"}));
      if (typeof cell === "number") place.className = "number";
      if (stacked && index && typeof headings[index] === "string") place.dataset.label = headings[index];
      place.append(typeof cell === "number" ? cell.toLocaleString() : cell ?? "–");
    });
  }
  return around;
}

export function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

// Put parts in place of what is there, unless they say the same: focus and selection stay.
export function replace(place, ...parts) {
  const next = place.cloneNode(false);
  next.append(...parts);
  window.Idiomorph.morph(place, next.childNodes, {morphStyle: "innerHTML", ignoreActiveValue: true});
}

// The start page: chosen rows, for the button "Compare" and the tool bar. They stay chosen when htmx brings the table again.
function chooseForComparison(compare) {
  const chosen = new Set();
  const bar = document.getElementById("batch");
  if (bar) batchActions(bar, chosen, show);

  function show() {
    for (const box of document.querySelectorAll(".choose")) box.checked = chosen.has(box.value);
    const boxes = [...document.querySelectorAll(".choose")];
    const page = document.getElementById("choose-page");
    if (page) {
      page.checked = boxes.length > 0 && boxes.every((box) => box.checked);
      page.indeterminate = !page.checked && boxes.some((box) => box.checked);
    }
    if (bar) {
      bar.hidden = !chosen.size;
      document.getElementById("batch-count").textContent = `${chosen.size} chosen`;
    }
    compare.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
    compare.href = chosen.size ? `/dashboard/compare?ids=${[...chosen].join(",")}` : "/dashboard/compare";
  }

  // With the shift key, all rows from the one that was clicked before.
  let before = null;
  document.addEventListener("click", ({target, shiftKey}) => {
    if (!target.classList?.contains("choose")) return;
    const boxes = [...document.querySelectorAll(".choose")];
    const ends = [boxes.findIndex(({value}) => value === before), boxes.indexOf(target)].sort((one, other) => one - other);
    before = target.value;
    if (!shiftKey || ends[0] < 0) return;
    for (const {value} of boxes.slice(ends[0], ends[1] + 1)) chosen[target.checked ? "add" : "delete"](value);
    show();
  });
  document.addEventListener("change", ({target}) => {
    if (target.id === "choose-page") {
      for (const box of document.querySelectorAll(".choose")) chosen[target.checked ? "add" : "delete"](box.value);
      return show();
    }
    if (!target.classList.contains("choose")) return;
    chosen[target.checked ? "add" : "delete"](target.value);
    show();
  });
  // Before the browser paints: what the server sent is in UTC, and nothing in it is chosen.
  document.addEventListener("htmx:afterSwap", () => {
    showTimes();
    show();
  });
  // What is on its way may be older than the change.
  document.addEventListener("tgsh:changed", () => {
    window.htmx.trigger("#found", "htmx:abort");
    window.htmx.trigger("#found", "anew");
  });
  for (const box of document.querySelectorAll(".choose:checked")) chosen.add(box.value); // after "back"
  show();
}

const compareButton = document.getElementById("compare"); // other pages import this file, and have none
if (compareButton) {
  chooseForComparison(compareButton);
  // Days in the filters are those of the times that are shown.
  document.cookie = `tgsh_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; max-age=31536000; path=/; SameSite=Lax`;
}
