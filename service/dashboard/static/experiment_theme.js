// plotly.js in the colours of the page, loaded when the first plot is drawn: it is large.

const dark = matchMedia("(prefers-color-scheme: dark)");

const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

// Red and blue can be told apart by all eyes; what is near 0 is as the page is.
const RED_BLUE = [[0, "#053061"], [0.125, "#2166ac"], [0.25, "#4393c3"], [0.375, "#92c5de"], [0.5, "#f7f7f7"], [0.625, "#f4a582"], [0.75, "#d6604d"], [0.875, "#b2182b"], [1, "#67001f"]];
const DARK_RED_BLUE = [[0, "#bfe3ff"], [0.25, "#5aa5dd"], [0.4, "#27567f"], [0.5, "#1b222c"], [0.6, "#7a3325"], [0.75, "#dd6f49"], [1, "#ffe0c8"]];
const IN_ORDER = [[0, "#30408f"], [0.25, "#2f7fa3"], [0.5, "#2f9f7f"], [0.75, "#7fb341"], [1, "#d9a514"]];

function theme() {
  const [ink, line, back, scale] = dark.matches
    ? ["#c8d1dc", "#333c48", "rgba(0,0,0,0)", DARK_RED_BLUE]
    : ["#333c48", "#dfe4ea", "rgba(0,0,0,0)", RED_BLUE];
  const axis = {gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: {size: 10.5}, title: {font: {size: 11.5}, standoff: 8}};
  return {
    template: {
      layout: {
        font: {color: ink, family: "system-ui, sans-serif", size: 12},
        paper_bgcolor: back,
        plot_bgcolor: back,
        colorway: dark.matches ? ["#6cb4f0", "#ff9d5c"] : ["#1f6fb2", "#c2560c"],
        xaxis: axis,
        yaxis: axis,
        hoverlabel: {bgcolor: dark.matches ? "#e8edf3" : "#16202c", bordercolor: "rgba(0,0,0,0)", font: {size: 12.5, color: dark.matches ? "#16202c" : "#fff"}},
      },
    },
    coloraxis: {
      cmin: -1, cmax: 1, colorscale: scale,
      colorbar: {thickness: 9, outlinewidth: 0, len: 0.7, tickvals: [-1, -0.5, 0, 0.5, 1], tickfont: {size: 10.5}, xpad: 6},
    },
    coloraxis2: {colorscale: IN_ORDER, showscale: false},
  };
}

let loading = null;

function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", import.meta.url);
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js does not load")));
    document.head.append(script);
  });
  return loading;
}

const drawn = new Map();

// Draw {data, layout} into the place. What a viewer zoomed to is kept for as long as `what` is the same.
export async function draw(place, {data, layout}, what) {
  drawn.set(place, [data, layout, what]);
  const Plotly = await plotly();
  const {template, coloraxis, coloraxis2} = theme();
  const colorbar = {...coloraxis.colorbar, ...layout.coloraxis?.colorbar};
  const colours = {...coloraxis, ...layout.coloraxis, colorbar}; // a layout may have a range of its own
  await Plotly.react(place, data, {...layout, template, coloraxis: colours, coloraxis2, uirevision: what}, CONFIG);
}

dark.addEventListener("change", () => {
  for (const [place, [data, layout, what]] of drawn) draw(place, {data, layout}, what);
});
