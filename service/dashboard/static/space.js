// Maps in space: what they need of the browser, and how keys, pointer and touch turn them. Nothing turns by itself.

const STEP = 5; // degrees that an arrow key turns the map by
const STEEPEST = 89; // degrees above and below: at a pole left and right would change places
const NEARER = 1.1;
const HOME = {eye: {x: 1.25, y: 1.25, z: 1.25}, center: {x: 0, y: 0, z: 0}, up: {x: 0, y: 0, z: 1}};

// As a drag to that side does: degrees around, degrees up, and how much farther away.
const TURNS = {
  ArrowLeft: [STEP, 0, 1],
  ArrowRight: [-STEP, 0, 1],
  ArrowUp: [0, -STEP, 1],
  ArrowDown: [0, STEP, 1],
  "+": [0, 0, 1 / NEARER],
  "-": [0, 0, NEARER],
};

export const HOW = "Turn it by dragging, or by arrow keys when it has the focus; + and − zoom, Home resets.";

export const NO_WEBGL = "This browser cannot draw in space, as it has no WebGL, so this is the map in a plane; its files have three axes.";

const cameras = new WeakMap(); // place -> where its map was looked at from, while it is in a plane
const entered = new WeakMap(); // place -> what ends its listeners
let canDraw = null;

export const isInSpace = (data) => data.some(({type}) => type === "scatter3d");

// A context of its own is given back at once: a browser has few.
export function hasWebGL() {
  if (canDraw === null) {
    const context = document.createElement("canvas").getContext("webgl");
    canDraw = context !== null;
    context?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return canDraw;
}

// What plotly.js has of the map in space; undefined where it is in a plane.
export const sceneOf = (place) => place._fullLayout?.scene?._scene;

// Before names change. plotly.js keeps every letter as large as it was when it was first needed, and it needs it of half
// the size in a scene that has been drawn already; with this ratio it is always the same.
export function keepLetters(place) {
  for (const {textMarkers} of Object.values(sceneOf(place)?.traces ?? {})) if (textMarkers) textMarkers.pixelRatio = 1;
}

// Where the map is looked at from; a drag under way included.
export function cameraOf(place) {
  return sceneOf(place)?.getCamera() ?? cameras.get(place) ?? HOME;
}

// Where a point is seen, in pixels from the corner of the scene.
export function pixelOf(place, point, width, height) {
  const {dataScale, glplot} = sceneOf(place);
  const {model, view, projection} = glplot.cameraParams;
  const scaled = [...point.map((value, axis) => value * dataScale[axis]), 1];
  const [x, y, , w] = [model, view, projection].reduce(product, scaled);
  return [(width * (1 + x / w)) / 2, (height * (1 - y / w)) / 2];
}

const product = (vector, matrix) => vector.map((_, row) => vector.reduce((sum, value, column) => sum + matrix[4 * column + row] * value, 0));

// The place is about to show a map in space: it takes keys, and leaves to the page what scrolls the page.
export function enterSpace(Plotly, place) {
  const listeners = new AbortController();
  entered.set(place, listeners);
  const {signal} = listeners;
  place.classList.add("space");
  place.tabIndex = 0;
  place.setAttribute("role", "application"); // else a screen reader keeps the arrow keys
  place.addEventListener("keydown", (event) => press(Plotly, place, event), {signal});
  // plotly.js would keep the wheel, and any touch that moves: zoom with Ctrl, turn from the side on.
  place.addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), {capture: true, passive: true, signal});
  let start = null; // of a touch that has not moved yet
  let isScroll = false;
  place.addEventListener("touchstart", ({touches}) => {
    start = touches.length === 1 ? touches[0] : null;
    isScroll = touches.length > 1;
  }, {capture: true, passive: true, signal});
  place.addEventListener("touchmove", (event) => {
    const [{clientX, clientY}] = event.touches;
    if (start) isScroll = Math.abs(clientY - start.clientY) > Math.abs(clientX - start.clientX);
    start = null;
    if (isScroll) event.stopPropagation();
  }, {capture: true, passive: true, signal});
  place.addEventListener("touchend", () => place.emit("plotly_relayout", {}), {signal}); // of a mouse plotly.js tells that itself
}

// The place shows something else from now on.
export function leaveSpace(Plotly, place) {
  entered.get(place).abort();
  entered.delete(place);
  cameras.set(place, cameraOf(place));
  const contexts = [...place.querySelectorAll("canvas")].map((canvas) => canvas.getContext("webgl"));
  Plotly.purge(place);
  for (const context of contexts) context?.getExtension("WEBGL_lose_context")?.loseContext();
  place.classList.remove("space");
  place.removeAttribute("tabindex");
  place.setAttribute("role", "group");
}

function press(Plotly, place, event) {
  const {key, ctrlKey, metaKey, altKey} = event;
  const turn = TURNS[key];
  if (ctrlKey || metaKey || altKey || (!turn && key !== "Home")) return;
  event.preventDefault(); // else the page scrolls
  Plotly.relayout(place, {"scene.camera": turn ? turned(cameraOf(place), ...turn) : HOME});
}

// The camera as many degrees farther around and above the centre that it looks at.
function turned({eye, center, ...others}, around, above, farther) {
  const [x, y, z] = ["x", "y", "z"].map((axis) => eye[axis] - center[axis]);
  const distance = Math.hypot(x, y, z) * farther;
  const azimuth = Math.atan2(y, x) + radians(around);
  const elevation = Math.min(Math.max(Math.asin(z / Math.hypot(x, y, z)) + radians(above), -radians(STEEPEST)), radians(STEEPEST));
  const across = distance * Math.cos(elevation);
  const moved = {x: center.x + across * Math.cos(azimuth), y: center.y + across * Math.sin(azimuth), z: center.z + distance * Math.sin(elevation)};
  return {...others, center, eye: moved, up: HOME.up};
}

const radians = (degrees) => (degrees * Math.PI) / 180;
