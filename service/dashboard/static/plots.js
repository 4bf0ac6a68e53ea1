// Plots: draw() calls plotly.js with the letters and lines of the page and the colours of print; Plots draws what the server describes.

import {placeNames} from "./map-labels.js";
import {explainTerms} from "./terms.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

const BAR = 40; // pixels above axes for the tool bar: it covers nothing that is drawn

const AGAIN = 1500; // milliseconds before what failed is asked for again

const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

// The colours of print: {maps: name -> colours at even steps, diverging, sequential, cyclic, palette}.
const COLOURS = JSON.parse(document.querySelector('meta[name="colours"]').content);

const scaleOf = (name) => COLOURS.maps[name].map((colour, place, all) => [place / (all.length - 1), colour]);

function theme() {
  const [ink, line, back] = dark.matches ? ["#c8d1dc", "#333c48", "rgba(0,0,0,0)"] : ["#333c48", "#dfe4ea", "rgba(0,0,0,0)"];
  const axis = {gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: {size: 10.5}, title: {font: {size: 11.5}, standoff: 8}};
  return {
    template: {
      layout: {
        font: {color: ink, family: "system-ui, sans-serif", size: 12},
        paper_bgcolor: back,
        plot_bgcolor: back,
        colorway: COLOURS.palette,
        modebar: {bgcolor: back, color: ink, activecolor: ink},
        xaxis: axis,
        yaxis: axis,
        hoverlabel: {bgcolor: dark.matches ? "#e8edf3" : "#16202c", bordercolor: "rgba(0,0,0,0)", font: {size: 12.5, color: dark.matches ? "#16202c" : "#fff"}},
      },
    },
    coloraxis: {
      cmin: -1, cmax: 1, colorscale: scaleOf(COLOURS.diverging),
      colorbar: {thickness: 9, outlinewidth: 0, len: 0.7, tickvals: [-1, -0.5, 0, 0.5, 1], tickfont: {size: 10.5}, xpad: 6},
    },
    coloraxis2: {cmin: 0, cmax: 1, colorscale: scaleOf(COLOURS.sequential), showscale: false},
    coloraxis3: {cmin: 0, cmax: 1, colorscale: scaleOf(COLOURS.cyclic), showscale: false},
  };
}

let loading = null;

// plotly.js, loaded when the first plot is drawn: it is large.
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("vendor/plotly-cartesian.min.js", import.meta.url);
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js does not load")));
    document.head.append(script);
  });
  return loading;
}

const drawnPlots = new Map();

// Draw {data, layout} into the place. The zoom is kept for as long as `revision` is the same.
export async function draw(place, {data, layout}, revision) {
  drawnPlots.set(place, [data, layout, revision]);
  const Plotly = await plotly();
  const {template, coloraxis, ...others} = theme();
  const colorbar = {...coloraxis.colorbar, ...layout.coloraxis?.colorbar};
  const colours = {...coloraxis, ...layout.coloraxis, colorbar}; // a layout may have a range of its own
  const margin = {...layout.margin, t: Math.max(layout.margin?.t ?? 0, BAR)};
  await Plotly.react(place, data, {...layout, margin, template, coloraxis: colours, ...others, uirevision: revision}, CONFIG);
  await placeNames(Plotly, place);
}

dark.addEventListener("change", () => {
  for (const [place, [data, layout, revision]] of drawnPlots) draw(place, {data, layout}, revision);
});

// Every <figure data-plot="path">, drawn from {summary, data, layout, links} at that path. The values of `form` are the
// query, there and in the page's own address. onShown(figure, plot): called after a plot is another than before.
export class Plots {
  constructor(root, form, onShown = () => {}) {
    this.onShown = onShown;
    this.figures = [...root.querySelectorAll("[data-plot]")];
    this.form = form;
    this.#restore();
    form.addEventListener("input", () => this.#update());
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  // Fetch every figure; those that did not change come from the browser's cache, and are not drawn again.
  refresh() {
    const query = this.#query();
    const stage = this.form.querySelector("output");
    if (stage) stage.value = this.#stage();
    const seen = this.figures.filter((figure) => !figure.closest("[hidden]")); // a plot takes the size of its place
    return Promise.all(seen.map((figure) => this.#show(figure, `${figure.dataset.plot}?${query}`)));
  }

  async #show(figure, address) {
    const turn = (figure.turn = {}); // a late response is not shown
    let response, plot;
    try {
      response = await answerOf(address);
      plot = await response.json();
    } catch {
      if (figure.turn === turn) figure.querySelector("[data-summary]").textContent = "The service does not answer; load the page again.";
      return;
    }
    const tag = response.headers.get("ETag");
    if (figure.turn !== turn || (tag && figure.tag === tag)) return;
    figure.tag = tag;
    const summary = figure.querySelector("[data-summary]");
    summary.textContent = response.ok ? plot.summary : plot.detail;
    explainTerms(summary);
    showLinks(figure.querySelector("[data-links]"), plot.links ?? {});
    showWarnings(figure.querySelector("[data-warnings]"), plot.warnings ?? []);
    figure.classList.toggle("nothing", !plot.data?.length);
    this.onShown(figure, plot);
    if (!plot.data?.length) return;
    const {height, ...layout} = plot.layout; // of the place: a plot is resized with it
    const place = figure.querySelector(".place");
    if (height) place.style.height = `${height}px`;
    await draw(place, {...plot, layout}, address);
    figure.dispatchEvent(new CustomEvent("tgsh:drawn"));
  }

  #update() {
    if (!this.form.checkValidity()) return; // a number that is being typed
    const query = new URLSearchParams(location.search); // with what other forms of the page have put there
    for (const {name} of this.form.elements) if (name) query.delete(name);
    for (const [name, value] of new URLSearchParams(this.#query())) query.set(name, value);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    for (const field of this.#remembered()) localStorage.setItem(`tgsh.${field.name}`, field.value);
    this.refresh();
  }

  // Only values that differ from the defaults.
  #query() {
    const query = new URLSearchParams();
    for (const element of this.form.elements) {
      const isDefault = element.type === "radio" ? element.defaultChecked : element.value === (element.defaultValue ?? element.options?.[0].value);
      if (!element.name || isDefault || (element.type === "radio" && !element.checked) || element.value === "") continue;
      query.set(element.name, element.value);
    }
    return query.toString();
  }

  // Fields with data-remember hold for the next page, too, where its address says nothing else.
  #remembered() {
    return [...this.form.elements].filter((field) => field.dataset.remember !== undefined);
  }

  #restore() {
    for (const field of this.#remembered()) {
      const value = localStorage.getItem(`tgsh.${field.name}`);
      if ([...field.options].some((option) => option.value === value)) field.value = value;
    }
    for (const [name, value] of new URLSearchParams(location.search)) {
      const field = this.form.elements.namedItem(name);
      if (field) field.value = value;
    }
  }

  #stage() {
    const {value, max} = this.form.elements.stage;
    if (value === "0") return "before training";
    return value === max ? "after training" : `after epoch ${value} of ${max}`;
  }
}

// The response; a computer that wakes or changes its network fails for a moment, so ask again.
async function answerOf(address, more = 3) {
  try {
    return await fetch(address, {headers: {Accept: "application/json"}});
  } catch (problem) {
    if (!more) throw problem;
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
    return answerOf(address, more - 1);
  }
}

// Sentences that begin with a capital and end with a full stop; nothing where there are none.
export function showWarnings(place, warnings) {
  place.hidden = !warnings.length;
  place.replaceChildren(
    ...warnings.map((warning) => {
      const line = document.createElement("p");
      line.textContent = `${warning[0].toUpperCase()}${warning.slice(1)}.`;
      return line;
    }),
  );
}

function showLinks(place, links) {
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
