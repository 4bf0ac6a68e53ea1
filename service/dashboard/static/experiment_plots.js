// Plots that the server describes: <figure data-plot="path"> asks there for {summary, data, layout, links}.

import {draw} from "./experiment_theme.js";

// Asks and draws; what `form` has chosen goes along, and stands in the page's own address.
export class Plots {
  constructor(root, form) {
    this.figures = [...root.querySelectorAll("[data-plot]")];
    this.form = form;
    this.#restore();
    form.addEventListener("input", () => this.#chosen());
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  // Every figure anew; those that did not change are answered from the browser's cache, and are left alone.
  refresh() {
    const query = this.#query();
    this.form.querySelector("output").value = this.#when();
    return Promise.all(this.figures.map((figure) => this.#show(figure, `${figure.dataset.plot}?${query}`)));
  }

  async #show(figure, address) {
    const turn = (figure.turn = {}); // an answer that comes late is not shown
    const answer = await fetch(address, {headers: {Accept: "application/json"}});
    const plot = await answer.json();
    const tag = answer.headers.get("ETag");
    if (figure.turn !== turn || (tag && figure.tag === tag)) return;
    figure.tag = tag;
    figure.querySelector("[data-summary]").textContent = answer.ok ? plot.summary : plot.detail;
    linkTo(figure.querySelector("[data-links]"), plot.links ?? {});
    figure.classList.toggle("nothing", !plot.data?.length);
    if (plot.data?.length) await draw(figure.querySelector(".place"), plot, address);
  }

  #chosen() {
    const query = this.#query();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    this.refresh();
  }

  // Only what is not so from the start.
  #query() {
    const query = new URLSearchParams();
    for (const element of this.form.elements) {
      const isFirst = element.type === "radio" ? element.defaultChecked : element.value === element.defaultValue;
      if (!element.name || isFirst || (element.type === "radio" && !element.checked) || element.value === "") continue;
      query.set(element.name, element.value);
    }
    return query.toString();
  }

  #restore() {
    for (const [name, value] of new URLSearchParams(location.search)) {
      const field = this.form.elements.namedItem(name);
      if (field) field.value = value;
    }
  }

  #when() {
    const {value, max} = this.form.elements.stage;
    if (value === "0") return "before training";
    return value === max ? "after training" : `after epoch ${value} of ${max}`;
  }
}

function linkTo(place, links) {
  place.replaceChildren(
    ...Object.entries(links).map(([name, path]) => {
      const link = document.createElement("a");
      link.href = path;
      link.textContent = name;
      link.download = "";
      link.setAttribute("aria-label", `${place.dataset.links} as ${name}`);
      return link;
    }),
  );
}
