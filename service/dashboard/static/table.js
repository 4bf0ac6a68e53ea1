// Experiments chosen in the table, for the button "Compare"; they stay chosen when the table is brought again.

import {showTimes} from "./times.js";

const compare = document.getElementById("compare");
const chosen = new Set();

function show() {
  for (const box of document.querySelectorAll(".choose")) box.checked = chosen.has(box.value);
  compare.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
  compare.href = chosen.size ? `/dashboard/compare?ids=${[...chosen].join(",")}` : "/dashboard/compare";
}

document.addEventListener("change", ({target}) => {
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
