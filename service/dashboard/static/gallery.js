// Image grids: a row for each task, a column for each class.

import {call} from "./api.js";

// <form data-images="path">: its fields are the query of that path. data-needs: "task" or "completion".
export class Gallery {
  constructor(form) {
    this.form = form;
    this.isDrawn = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.draw();
    });
    form.querySelector("[data-more]")?.addEventListener("click", () => {
      const {samples, seed} = form.elements;
      samples.value = Math.min(2 * samples.value, samples.max);
      seed.value = Number(seed.value) + 1;
      this.draw();
    });
    form.addEventListener("change", () => this.isDrawn && this.draw());
  }

  // Enable what can be drawn by now. learned: numbers of completed tasks.
  offer(learned, isCompleted) {
    const chips = [...this.form.querySelectorAll("[type=checkbox][name=tasks]")];
    for (const chip of chips) chip.disabled = !learned.has(chip.value);
    const isReady = isCompleted || (this.form.dataset.needs === "task" && chips.some((chip) => chip.checked && !chip.disabled));
    if (!isReady) return;
    if (this.isDrawn) {
      if (this.shownQuery !== this.#query().toString()) this.draw();
    } else if (!this.observer) {
      this.#say("Ready; drawn when it comes into view.");
      this.observer = new IntersectionObserver(([entry]) => {
        if (!entry.isIntersecting) return;
        this.observer.disconnect();
        this.draw();
      }, {rootMargin: "300px"});
      this.observer.observe(this.form);
    }
  }

  async draw() {
    this.isDrawn = true;
    this.shownQuery = this.#query().toString();
    this.request?.abort();
    this.request = new AbortController();
    this.form.setAttribute("aria-busy", "true");
    try {
      const {document: grid} = await call("GET", `${this.form.dataset.images}?${this.shownQuery}`, {signal: this.request.signal});
      this.form.querySelector("[data-sheet]").replaceChildren(table(grid, this.form.dataset.scale?.split(",").map(Number)));
      this.#say(caption(grid, this.form.elements.samples?.value));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#say(problem.message);
    }
    this.form.removeAttribute("aria-busy");
  }

  #say(text) {
    this.form.querySelector("[data-summary]").textContent = text;
  }

  #query() {
    const query = new URLSearchParams({format: "json"});
    for (const name of new Set(new FormData(this.form).keys())) query.set(name, new FormData(this.form).getAll(name).join(","));
    return query;
  }
}

function caption(grid, samples) {
  if (!("method" in grid)) return "The same test images as each task sees them.";
  const draws = samples > 1 ? `Means of ${samples} noise samples, seed ${grid.seed}.` : `One noise sample, seed ${grid.seed}.`;
  if (!grid.score) return `${draws} The score follows when the experiment completes.`;
  const {correlation, right_class, right_task} = grid.score;
  const shares = [["class", right_class], ["task", right_task]]
    .filter(([, share]) => share !== null)
    .map(([name, share]) => `; the right ${name} fits best in ${Math.round(100 * share)} %`);
  return `${draws} Correlation with the mean images ${correlation.toFixed(2)}${shares.join("")}.`;
}

// grid.images: [task][class][row][column], or [task][class][sample][row][column].
function table(grid, scale) {
  const element = document.createElement("table");
  element.className = "sheet";
  const top = element.createTHead().insertRow();
  top.insertCell();
  const names = grid.class_names?.length ? grid.class_names : grid.classes;
  for (const name of names) heading(top, name, "col");
  const body = element.createTBody();
  grid.images.forEach((images, row) => {
    const line = body.insertRow();
    heading(line, grid.labels[row], "row");
    images.forEach((image, column) => {
      const name = grid.task_classes?.[row][column] ?? names[column]; // where tasks share no class, each shows its own
      const description = `class ${name}, ${grid.labels[row]}`;
      line.insertCell().append(picture(Array.isArray(image[0][0]) ? mean(image) : image, scale, description));
    });
  });
  return element;
}

function heading(row, text, scope) {
  const cell = document.createElement("th");
  cell.textContent = text;
  cell.scope = scope;
  row.append(cell);
}

function mean(samples) {
  return samples[0].map((row, y) => row.map((_, x) => samples.reduce((sum, sample) => sum + sample[y][x], 0) / samples.length));
}

// scale: the values of black and white; without, each image has its own contrast.
export function picture(rows, scale, description) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [rows[0].length, rows.length];
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", description);
  canvas.title = description;
  const values = rows.flat();
  const sorted = scale ? null : Float64Array.from(values).sort();
  const [low, high] = scale ?? [0.01, 0.99].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  const pixels = new ImageData(canvas.width, canvas.height);
  values.forEach((value, place) => {
    const grey = (255 * (value - low)) / (high - low || 1); // ImageData clamps to 0…255
    pixels.data.set([grey, grey, grey, 255], 4 * place);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
