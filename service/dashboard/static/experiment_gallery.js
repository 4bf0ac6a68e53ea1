// Small grey images in rows and columns: a row a task, a column a class.

import {call} from "./api.js";

// <form data-images="path">: what is picked in it is asked for there. data-needs: "task" or "completion".
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

  // What can be drawn by now: of the tasks that are learned (their numbers), or of a completed experiment.
  offer(learned, isCompleted) {
    const chips = [...this.form.querySelectorAll("[type=checkbox][name=tasks]")];
    for (const chip of chips) chip.disabled = !learned.has(chip.value);
    const isReady = isCompleted || (this.form.dataset.needs === "task" && chips.some((chip) => chip.checked && !chip.disabled));
    if (!isReady) return;
    if (this.isDrawn) {
      if (this.drawn !== this.#query().toString()) this.draw();
    } else if (!this.waits) {
      this.#say("Ready; drawn when it comes into view.");
      this.waits = new IntersectionObserver(([entry]) => {
        if (!entry.isIntersecting) return;
        this.waits.disconnect();
        this.draw();
      }, {rootMargin: "300px"});
      this.waits.observe(this.form);
    }
  }

  async draw() {
    this.isDrawn = true;
    this.drawn = this.#query().toString();
    this.asking?.abort();
    this.asking = new AbortController();
    this.form.setAttribute("aria-busy", "true");
    try {
      const {document: found} = await call("GET", `${this.form.dataset.images}?${this.drawn}`, {signal: this.asking.signal});
      this.form.querySelector("[data-sheet]").replaceChildren(sheet(found, this.form.dataset.scale?.split(",").map(Number)));
      this.#say(words(found, this.form.elements.samples?.value));
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

function words(found, samples) {
  if (!("method" in found)) return "The same test images as each task sees them.";
  const told = samples > 1 ? `Means of ${samples} noise samples, seed ${found.seed}.` : `One noise sample, seed ${found.seed}.`;
  if (!found.score) return `${told} The score follows when the experiment completes.`;
  const {correlation, right_class, right_task} = found.score;
  const shares = [["class", right_class], ["task", right_task]]
    .filter(([, share]) => share !== null)
    .map(([what, share]) => `; the right ${what} fits best in ${Math.round(100 * share)} %`);
  return `${told} Correlation with the mean images ${correlation.toFixed(2)}${shares.join("")}.`;
}

// found.images: [task][class][row][column], or [task][class][sample][row][column].
function sheet(found, scale) {
  const table = document.createElement("table");
  table.className = "sheet";
  const top = table.createTHead().insertRow();
  top.insertCell();
  for (const label of found.classes) heading(top, label, "col");
  const body = table.createTBody();
  found.images.forEach((images, row) => {
    const line = body.insertRow();
    heading(line, found.labels[row], "row");
    images.forEach((image, column) => {
      const what = `class ${found.classes[column]}, ${found.labels[row]}`;
      line.insertCell().append(picture(Array.isArray(image[0][0]) ? mean(image) : image, scale, what));
    });
  });
  return table;
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
function picture(rows, scale, what) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [rows[0].length, rows.length];
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", what);
  canvas.title = what;
  const values = rows.flat();
  const sorted = scale ? null : Float64Array.from(values).sort();
  const [low, high] = scale ?? [0.01, 0.99].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  const pixels = new ImageData(canvas.width, canvas.height);
  values.forEach((value, place) => {
    const grey = (255 * (value - low)) / (high - low || 1); // what is beyond is clamped
    pixels.data.set([grey, grey, grey, 255], 4 * place);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
