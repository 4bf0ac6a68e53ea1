// The list of reports: a new one, and figures of an experiment or a study that are added to one. Also the button that
// prints a report.

import {call} from "./api.js";

const page = (id) => `/dashboard/reports/${id}/edit`;

function tell(form, problem) {
  form.querySelector("[data-said]").textContent = problem.errors?.map(({field, message}) => `${field}: ${message}`).join("; ") || problem.message;
}

const make = document.getElementById("make");
make?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const {document: made} = await call("POST", "/reports", {body: {title: make.elements.title.value}});
    location.assign(page(made.id));
  } catch (problem) {
    tell(make, problem);
  }
});

const add = document.getElementById("add");
add?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {kind: of, id, name} = add.dataset;
  const figures = [...add.querySelectorAll("[name=figure]:checked")].map(({value: figure}) => ({kind: "figure", of, id, figure}));
  if (!figures.length) return tell(add, new Error("Choose a figure first."));
  const chosen = add.elements.report.value;
  try {
    if (chosen) {
      const {document: report} = await call("GET", `/reports/${chosen}`);
      await call("PATCH", `/reports/${chosen}`, {body: {items: [...report.items, ...figures], changed_at: report.changed_at}});
      return location.assign(page(chosen));
    }
    const title = (name || id).slice(0, 200);
    const {document: made} = await call("POST", "/reports", {body: {title, items: figures}});
    location.assign(page(made.id));
  } catch (problem) {
    tell(add, problem);
  }
});

document.getElementById("print")?.addEventListener("click", () => window.print());
