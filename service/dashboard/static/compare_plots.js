// Matrices of common tasks as plotly.js takes them, each with a sentence that says what it shows.

const number = (value) => value.toFixed(2).replace("-", "−");

// Labels as plotly shows them: none twice, and none taken for one of its tags.
function names(tasks) {
  return tasks.map((label, index) => {
    const told = tasks.indexOf(label) === index ? label : `${label} #${index}`;
    return told.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  });
}

function pairsOf(tasks) {
  return tasks.flatMap((_, i) => tasks.slice(i + 1).map((_, k) => [i, i + 1 + k]));
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function heatmap(tasks, values) {
  const shown = names(tasks);
  const room = 14 + 6.2 * Math.min(28, Math.max(...tasks.map((label) => label.length)));
  const ends = [-0.5, tasks.length - 0.5];
  const axis = {type: "category", categoryorder: "array", categoryarray: shown, showgrid: false, zeroline: false, showline: true, mirror: true};
  const gap = tasks.length <= 60 ? 1 : 0;
  return {
    data: [{
      type: "heatmap", x: shown, y: shown, z: values, xgap: gap, ygap: gap, coloraxis: "coloraxis",
      hovertemplate: "%{y} and %{x}: <b>%{z:.3f}</b><extra></extra>",
    }],
    layout: {
      margin: {t: 10, b: room, l: room, r: 8},
      xaxis: {...axis, range: ends, tickangle: -90},
      yaxis: {...axis, range: [...ends].reverse()},
    },
  };
}

// The similarities of one experiment.
export function matrix(tasks, values) {
  const all = pairsOf(tasks).map(([i, k]) => values[i][k]);
  const summary = all.length ? `Mean of all pairs ${number(mean(all))}, from ${number(Math.min(...all))} to ${number(Math.max(...all))}.` : "";
  return {plot: heatmap(tasks, values), summary};
}

// What the first has more than the second, on a scale of its own.
export function minus(tasks, a, b) {
  const values = a.map((row, i) => row.map((value, k) => value - b[i][k]));
  const pairs = pairsOf(tasks);
  const sizes = pairs.map(([i, k]) => Math.abs(values[i][k]));
  const most = Math.max(0.05, ...sizes);
  const [i, k] = pairs[sizes.indexOf(Math.max(...sizes))];
  const plot = heatmap(tasks, values);
  const edge = Number(most.toPrecision(2));
  plot.layout.coloraxis = {cmin: -edge, cmax: edge, colorbar: {tickvals: [-edge, 0, edge]}};
  return {plot, summary: `Mean absolute difference ${number(mean(sizes))}; most between ${tasks[i]} and ${tasks[k]} (${number(values[i][k])}). Colours go to ±${edge}.`};
}

// A point a pair of tasks.
export function plane(tasks, a, b, {pearson}) {
  const pairs = pairsOf(tasks);
  const shown = names(tasks);
  const [x, y] = [a, b].map((values) => pairs.map(([i, k]) => values[i][k]));
  const [low, high] = [Math.min(...x, ...y), Math.max(...x, ...y)];
  const plot = {
    data: [
      {type: "scatter", mode: "lines", x: [low, high], y: [low, high], line: {color: "rgba(128, 140, 155, 0.45)", dash: "dash"}, hoverinfo: "skip"},
      {
        type: "scatter", mode: "markers", x, y, marker: {size: 5, opacity: 0.55, color: "#3584c8"},
        text: pairs.map(([i, k]) => `${shown[i]} and ${shown[k]}`),
        hovertemplate: "%{text}: A <b>%{x:.3f}</b>, B <b>%{y:.3f}</b><extra></extra>",
      },
    ],
    layout: {
      margin: {t: 10, b: 42, l: 52, r: 12},
      xaxis: {title: {text: "similarity in A"}, zeroline: false},
      yaxis: {title: {text: "similarity in B"}, zeroline: false},
      showlegend: false,
    },
  };
  return {plot, summary: `${pairs.length.toLocaleString()} pairs of tasks; on the dashed line both agree. Pearson ${pearson === null ? "unknown" : number(pearson)}.`};
}
