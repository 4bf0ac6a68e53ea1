// Names of the points of a map that do not cover one another. A name takes the first place beside its point that is
// free, outward first; one that finds none is told by the pointer alone, and a line says so.

const SIZE = 10; // pixels of a letter, as traces.py says
const RADIUS = 4.5; // pixels of a point
const GAP = RADIUS / 0.8 + 1; // of a point and its name, as plotly.js puts them
const AROUND = ["top center", "bottom center", "middle right", "middle left", "top right", "bottom right", "top left", "bottom left"];

const pen = document.createElement("canvas").getContext("2d");

// Place the names of the trace that has meta.names, its favoured places, and all names as hovertext.
export async function placeNames(Plotly, place) {
  const index = place.data.findIndex(({meta}) => meta?.names);
  if (index < 0) return;
  await fit(Plotly, place, index);
  if ("fitsNames" in place.dataset) return;
  place.dataset.fitsNames = "";
  place.on("plotly_relayout", () => placeNames(Plotly, place)); // zoomed, or of another size
}

async function fit(Plotly, place, index) {
  const {x, y, hovertext, meta} = place.data[index];
  const {xaxis, yaxis, margin} = place._fullLayout;
  const points = x.map((value, row) => [xaxis.l2p(value), yaxis.l2p(y[row])]);
  const frame = [2 - margin.l, -margin.t, xaxis._length + margin.r - 2, yaxis._length];
  const isInside = ([left, top]) => left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length;
  const taken = points.map(([left, top]) => [left - RADIUS, top - RADIUS, left + RADIUS, top + RADIUS]);
  const texts = [];
  const positions = [];
  hovertext.forEach((name, row) => {
    const width = widthOf(name);
    const found = [meta.names[row], ...AROUND].find((position) => {
      const box = boxOf(points[row], position, width);
      if (!isWithin(box, frame) || taken.some((other, number) => number !== row && overlap(box, other))) return false;
      taken.push(box);
      return true;
    });
    texts.push(found ? name : "");
    positions.push(found ?? meta.names[row]);
  });
  await Plotly.restyle(place, {text: [texts], textposition: [positions]}, [index]);
  tell(place, points.filter((point, row) => isInside(point) && !texts[row]).length);
}

function boxOf([x, y], position, width) {
  const [vertical, horizontal] = position.split(" ");
  const left = {left: x - GAP - width, center: x - width / 2, right: x + GAP}[horizontal];
  const top = {top: y - GAP - SIZE, middle: y - SIZE / 2, bottom: y + GAP}[vertical];
  return [left, top, left + width, top + SIZE];
}

const isWithin = ([left, top, right, bottom], frame) => left >= frame[0] && top >= frame[1] && right <= frame[2] && bottom <= frame[3];

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

function widthOf(name) {
  pen.font = `${SIZE}px system-ui, sans-serif`;
  return pen.measureText(new DOMParser().parseFromString(name, "text/html").body.textContent).width;
}

function tell(place, count) {
  const summary = place.closest("figure")?.querySelector("[data-summary]");
  if (!summary) return;
  let line = summary.parentElement.querySelector("[data-unnamed]");
  if (!line) {
    line = document.createElement("span");
    line.dataset.unnamed = "";
    summary.after(" ", line);
  }
  line.textContent = count ? `${count === 1 ? "1 name has" : `${count} names have`} no room here: point at a task, or zoom in.` : "";
}
