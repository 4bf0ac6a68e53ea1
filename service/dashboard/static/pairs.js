// The pair of tasks under the pointer: their value, the images of both, and links to their rows in the table of tasks.

import {call} from "./api.js";
import {picture} from "./gallery.js";

const PAUSE = 120; // milliseconds that a pointer rests before images are asked for
const MOST = 10; // images of a task

// The matrix of this figure. samples: path of the images of the tasks; they are there when the experiment completes.
export class Pairs {
  constructor(figure, samples) {
    this.panel = figure.querySelector("[data-pair]");
    this.samples = samples;
    this.images = new Map(); // task -> promise of its images
    this.hasImages = false;
    figure.addEventListener("tgsh:drawn", () => this.#watch(figure.querySelector(".place")));
  }

  // Images can be asked for from now on.
  offer() {
    if (this.hasImages) return;
    this.hasImages = true;
    this.images.clear();
  }

  #watch(place) {
    this.place = place;
    this.panel.hidden = !this.#tasks();
    if ("hasPairs" in place.dataset) return;
    place.dataset.hasPairs = "";
    place.on("plotly_hover", ({points: [point]}) => this.#show(...(point.pointIndex ?? point.pointNumber), point.z));
    place.addEventListener("click", ({target}) => {
      const row = this.place.data[0].y.indexOf(escaped(target.closest?.(".ytick text")?.textContent));
      if (row >= 0 && this.#tasks()) goTo(this.#tasks()[row]);
    });
  }

  #tasks() {
    return this.place.data[0].meta?.tasks;
  }

  #show(row, column, value) {
    const tasks = this.#tasks();
    if (!tasks) return;
    const pair = row === column ? [row] : [row, column];
    this.panel.replaceChildren(
      ...pair.map((place) => {
        const line = document.createElement("p");
        const link = document.createElement("a");
        link.href = `#task-${tasks[place]}`;
        link.textContent = unescaped(this.place.data[0].y[place]);
        link.addEventListener("click", (event) => {
          event.preventDefault();
          goTo(tasks[place]);
        });
        const images = document.createElement("span");
        images.className = "images";
        line.append(link, images);
        return line;
      }),
    );
    this.panel.dataset.value = value;
    clearTimeout(this.waiting);
    if (this.hasImages) this.waiting = setTimeout(() => this.#draw(pair.map((place) => tasks[place])), PAUSE);
  }

  async #draw(tasks) {
    const places = [...this.panel.querySelectorAll(".images")];
    const grids = await Promise.all(tasks.map((task) => this.#imagesOf(task)));
    grids.forEach((grid, number) => {
      const names = grid?.class_names?.length ? grid.class_names : grid?.classes;
      const images = grid?.images[0].slice(0, MOST) ?? [];
      places[number].replaceChildren(...images.map((image, place) => picture(image, [0, 1], `class ${names[place]}, ${grid.labels[0]}`)));
    });
  }

  #imagesOf(task) {
    if (!this.images.has(task)) {
      const asked = call("GET", `${this.samples}?format=json&tasks=${task}`).then(({document}) => document, () => null);
      this.images.set(task, asked);
    }
    return this.images.get(task);
  }
}

// Show the row of a task, in the table that may be closed; of very many tasks the first are in it.
function goTo(task) {
  const row = document.getElementById(`task-${task}`);
  document.getElementById("task-list").open = true;
  (row ?? document.getElementById("tasks")).scrollIntoView({block: "center"});
  for (const other of document.querySelectorAll("tr.looked-at")) other.classList.remove("looked-at");
  row?.classList.add("looked-at");
  history.replaceState(null, "", `${location.pathname}${location.search}#task-${task}`);
}

const unescaped = (name) => new DOMParser().parseFromString(name, "text/html").body.textContent;

function escaped(text) {
  return text?.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
