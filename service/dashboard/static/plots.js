// Plots: draw() calls plotly.js with the letters and lines of the page and the colours of print; Plots draws what the server describes.

import {forgetNames, placeNames} from "./map-labels.js";
import {HOW, NO_WEBGL, cameraOf, enterSpace, hasWebGL, isInSpace, keepLetters, leaveSpace} from "./space.js";
import {explainTerms} from "./terms.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

const BAR = 40; // pixels above axes for the tool bar: it covers nothing that is drawn

const AGAIN = 1500; // milliseconds before what failed is asked for again

const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "resetCameraLastSave3d", "hoverClosest3d"],
};

// The colours of print: {maps: name -> colours at even steps, diverging, sequential, cyclic, palette}.
const COLOURS = JSON.parse(document.querySelector('meta[name="colours"]').content);

const scaleOf = (name) => COLOURS.maps[name].map((colour, place, all) => [place / (all.length - 1), colour]);

function theme() {
  const [ink, line, back] = dark.matches ? ["#c8d1dc", "#333c48", "rgba(0,0,0,0)"] : ["#333c48", "#dfe4ea", "rgba(0,0,0,0)"];
  const axis = {gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: {size: 10.5}, title: {font: {size: 11.5}, standoff: 8}};
  const side = {...axis, title: {font: {size: 11.5}}, color: ink, showbackground: false, spikecolor: ink, spikethickness: 1};
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
        scene: {bgcolor: back, xaxis: side, yaxis: side, zaxis: side},
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

const PLANE = "vendor/plotly-cartesian.min.js";
const SPACE = "vendor/plotly-gl3d.min.js";
const NOT_LOADED = "What draws in space does not load, so this is the map in a plane; its files have three axes.";

const loading = new Map(); // file -> promise of the plotly.js in it
let named; // the one that window.Plotly is

// plotly.js, loaded when the first plot is drawn: it is large. What draws in space is another build of the same version,
// as large again, and loaded when somebody asks to see that.
function plotly(file) {
  if (!loading.has(file)) loading.set(file, load(file));
  return loading.get(file);
}

function load(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(file, import.meta.url);
    script.addEventListener("load", () => {
      resolve(window.Plotly);
      if (file === PLANE) named = window.Plotly;
      window.Plotly = named; // both builds take the name
    });
    script.addEventListener("error", () => {
      loading.delete(file); // and is tried again
      script.remove();
      reject(new Error("plotly.js does not load"));
    });
    document.head.append(script);
  });
}

const drawnPlots = new Map();
const drawers = new WeakMap(); // place -> the plotly.js that has drawn there

// Draw {data, layout} into the place. The zoom is kept for as long as `revision` is the same, a camera for ever. False
// where somebody has changed between plane and space meanwhile.
export async function draw(place, {data, layout}, revision) {
  const isSpace = isInSpace(data);
  drawnPlots.set(place, [data, layout, revision]);
  const Plotly = await plotly(isSpace ? SPACE : PLANE);
  if (isInSpace(drawnPlots.get(place)[0]) !== isSpace) return false;
  changeDrawer(place, Plotly, isSpace);
  const {template, coloraxis, ...others} = theme();
  const colorbar = {...coloraxis.colorbar, ...layout.coloraxis?.colorbar};
  const colours = {...coloraxis, ...layout.coloraxis, colorbar}; // a layout may have a range of its own
  const margin = {...layout.margin, t: Math.max(layout.margin?.t ?? 0, BAR)};
  const scene = isSpace ? {scene: {...layout.scene, camera: cameraOf(place)}} : {};
  keepLetters(place);
  await Plotly.react(place, data, {...layout, ...scene, margin, template, coloraxis: colours, ...others, uirevision: revision}, CONFIG);
  await placeNames(Plotly, place);
  return true;
}

function changeDrawer(place, Plotly, isSpace) {
  const before = drawers.get(place);
  if (before === Plotly) return;
  drawers.set(place, Plotly);
  if (before) {
    forgetNames(place);
    if (isSpace) before.purge(place);
    else leaveSpace(before, place);
  }
  if (isSpace) enterSpace(Plotly, place);
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
    let response, plot, how;
    try {
      response = await answerOf(address);
      plot = await response.json();
      if (figure.turn !== turn || (figure.tag && figure.tag === response.headers.get("ETag"))) return;
      [plot, how] = await drawable(plot, address);
    } catch {
      if (figure.turn === turn) figure.querySelector("[data-summary]").textContent = "The service does not answer; load the page again.";
      return;
    }
    if (figure.turn !== turn) return;
    figure.tag = response.headers.get("ETag");
    const summary = figure.querySelector("[data-summary]");
    summary.textContent = response.ok ? plot.summary : plot.detail;
    explainTerms(summary);
    tellHow(summary, how);
    showLinks(figure.querySelector("[data-links]"), plot.links ?? {});
    showWarnings(figure.querySelector("[data-warnings]"), plot.warnings ?? []);
    figure.classList.toggle("nothing", !plot.data?.length);
    this.onShown(figure, plot);
    if (!plot.data?.length) return;
    const {height, ...layout} = plot.layout; // of the place: a plot is resized with it
    const place = figure.querySelector(".place");
    if (height) place.style.height = `${height}px`;
    if (await draw(place, {...plot, layout}, address)) figure.dispatchEvent(new CustomEvent("tgsh:drawn"));
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
      if (!field || (field.options && ![...field.options].some((option) => option.value === value))) continue;
      field.value = value;
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

// The plot, or the same in a plane with the files of the one in space, where this browser cannot draw that; and what to
// say of it.
async function drawable(plot, address) {
  if (!isInSpace(plot.data ?? [])) return [plot, ""];
  let obstacle = hasWebGL() ? null : NO_WEBGL;
  if (!obstacle) await plotly(SPACE).catch(() => (obstacle = NOT_LOADED));
  if (!obstacle) return [plot, HOW];
  const plane = await answerOf(address.replace(/\bdimensions=3\b/, "dimensions=2"));
  return [{...(await plane.json()), links: plot.links}, obstacle];
}

// A line after the summary of a map in space, or of one that should be.
function tellHow(summary, words) {
  let line = summary.parentElement.querySelector("[data-how]");
  if (!line && words) {
    line = document.createElement("span");
    line.dataset.how = "";
    summary.after(" ", line);
  }
  if (line) line.textContent = words;
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
