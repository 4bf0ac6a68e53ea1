// Names of the points of a map that do not cover one another. A name takes the first place beside its point that is
// free, outward first; one that finds none is told by the pointer alone, and a line says so.

import {cameraOf, keepLetters, pixelOf, sceneOf} from "./space.js";

const PAUSE = 150; // milliseconds that a map stands still before its names are placed anew
const SIZE = 10; // pixels of a letter, as traces.py says
const RADIUS = 4.5; // pixels of a point
const GAP = RADIUS / 0.8 + 1; // of a point and its name, as plotly.js puts them
const AROUND = ["top center", "bottom center", "middle right", "middle left", "top right", "bottom right", "top left", "bottom left"];

const waiting = new WeakMap(); // place -> timer of its names
const pen = document.createElement("canvas").getContext("2d");

// Place the names of the trace that has meta.named, and all of them as hovertext.
export async function placeNames(Plotly, place) {
  const index = (place.data ?? []).findIndex(({meta}) => meta?.named);
  if (index < 0) return;
  await fit(Plotly, place, index);
  if ("fitsNames" in place.dataset) return;
  place.dataset.fitsNames = "";
  const later = () => {
    clearTimeout(waiting.get(place));
    waiting.set(place, setTimeout(() => placeNames(Plotly, place), PAUSE));
  };
  place.on("plotly_relayout", later); // zoomed, turned, or of another size
}

// The place will show something else.
export function forgetNames(place) {
  delete place.dataset.fitsNames;
  clearTimeout(waiting.get(place));
  tell(place, 0);
}

async function fit(Plotly, place, index) {
  const {hovertext} = place.data[index];
  const isSpace = Boolean(sceneOf(place));
  const {points, frame, isInside} = isSpace ? inSpace(place, index) : inPlane(place, index);
  const taken = points.map(([left, top]) => [left - RADIUS, top - RADIUS, left + RADIUS, top + RADIUS]);
  const outward = outwardOf(points);
  const texts = [];
  const positions = [];
  hovertext.forEach((name, row) => {
    const width = widthOf(name);
    const found = [outward[row], ...AROUND].find((position) => {
      const box = boxOf(points[row], position, width);
      if (!isWithin(box, frame) || taken.some((other, number) => number !== row && overlap(box, other))) return false;
      taken.push(box);
      return true;
    });
    texts.push(!found ? "" : isSpace ? literal(plain(name)) : name);
    positions.push(found ?? outward[row]);
  });
  const camera = isSpace ? {"scene.camera": cameraOf(place)} : {};
  keepLetters(place);
  await Plotly.update(place, {text: [texts], textposition: [positions]}, camera, [index]);
  tell(place, points.filter((point, row) => isInside(point) && !texts[row]).length, isSpace ? "turn it" : "zoom in");
}

// Pixels of the points from the corner of the axes, the room of names, and what of it is in sight.
function inPlane(place, index) {
  const {x, y} = place.data[index];
  const {xaxis, yaxis, margin} = place._fullLayout;
  return {
    points: x.map((value, row) => [xaxis.l2p(value), yaxis.l2p(y[row])]),
    frame: [2 - margin.l, -margin.t, xaxis._length + margin.r - 2, yaxis._length],
    isInside: ([left, top]) => left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length,
  };
}

function inSpace(place, index) {
  const {x, y, z} = place.data[index];
  const {clientWidth: width, clientHeight: height} = sceneOf(place).container;
  const frame = [2, 2, width - 2, height - 2];
  const points = x.map((value, row) => pixelOf(place, [value, y[row], z[row]], width, height));
  return {points, frame, isInside: (point) => isWithin([...point, ...point], frame)};
}

// The place of each name that is favoured: away from the centre, so that the names of a ring stand around it.
function outwardOf(points) {
  const [left, top] = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  return points.map((point) => {
    const [x, y] = [point[0] - left, point[1] - top];
    const across = Math.abs(x) < Math.abs(y) / 2 ? "center" : x > 0 ? "right" : "left";
    const along = Math.abs(y) < Math.abs(x) / 2 ? "middle" : y > 0 ? "bottom" : "top";
    return `${along} ${across}`;
  });
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
  return pen.measureText(plain(name)).width;
}

const plain = (name) => new DOMParser().parseFromString(name, "text/html").body.textContent;

// WebGL's letters know tags, but no entities: what is between these is no tag.
const literal = (text) => text.replaceAll("<", "<\u200b");

function tell(place, count, remedy) {
  const summary = place.closest("figure")?.querySelector("[data-summary]");
  if (!summary) return;
  let line = summary.parentElement.querySelector("[data-unnamed]");
  if (!line) {
    line = document.createElement("span");
    line.dataset.unnamed = "";
    summary.after(" ", line);
  }
  line.textContent = count ? `${count === 1 ? "1 name has" : `${count} names have`} no room here: point at a task, or ${remedy}.` : "";
}
