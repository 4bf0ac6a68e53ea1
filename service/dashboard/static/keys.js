// The keys of every page: ? lists them. While somebody types, in a dialog, or with Ctrl, Alt or Meta they are the browser's.

const PAGES = {e: ["/", "Experiments"], n: ["/dashboard/submit", "Submit"], s: ["/dashboard/studies", "Studies"], c: ["/dashboard/compare", "Compare"], a: ["/dashboard/atlas", "Atlas"], w: ["/dashboard/workers", "Workers"], d: ["/dashboard/datasets", "Datasets"], h: ["/guide", "Guide"]};
const PAUSE = 1500; // ms between g and the letter after it
const OFF = "tgsh-keys-off";

let wentAt = 0; // when g was pressed

const isOff = () => localStorage.getItem(OFF) === "1";
const rows = () => [...document.querySelectorAll("main table:is(.experiments, .groups) tbody tr")];
const linkOf = (row) => row.querySelector("th a[href]");
const current = () => rows().findIndex((row) => row.contains(document.activeElement));

function isTyping(target) {
  return target.isContentEditable || target.matches?.("select, textarea, input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
}

function move(step) {
  const all = rows().filter(linkOf);
  if (!all.length) return false;
  const here = all.findIndex((row) => row.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + step, 0), all.length - 1);
  linkOf(all[next]).focus();
  return true;
}

function choose() {
  const box = rows()[current()]?.querySelector("input.choose");
  box?.click();
  return Boolean(box);
}

function search() {
  const field = document.querySelector("input[type=search]");
  field?.focus();
  field?.select();
  return Boolean(field);
}

function leave(path) {
  location.assign(path);
  return true;
}

const KEYS = [
  ["?", "this list", showKeys],
  ["/", "search", search],
  ["n", "submit an experiment", () => leave("/dashboard/submit")],
  ["j", "the next row of the table", () => move(1)],
  ["k", "the row before", () => move(-1)],
  ["x", "choose the row, or not; a click with Shift chooses all between", choose],
];

function press(event) {
  const {key, target} = event;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(target) || document.querySelector("dialog[open]")) return;
  if (isOff() && key !== "?") return;
  if (act(key)) event.preventDefault();
}

function act(key) {
  const page = performance.now() - wentAt < PAUSE ? PAGES[key] : undefined;
  wentAt = key === "g" ? performance.now() : 0;
  if (page) return leave(page[0]);
  if (current() >= 0 && (key === "ArrowDown" || key === "ArrowUp")) return move(key === "ArrowDown" ? 1 : -1);
  return KEYS.find(([name]) => name === key)?.[2]() ?? false;
}

function line(keys, words) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), {scope: "row"});
  head.append(...keys.flatMap((key, index) => [index ? " " : "", Object.assign(document.createElement("kbd"), {textContent: key})]));
  row.append(head, Object.assign(document.createElement("td"), {textContent: words}));
  return row;
}

function showKeys() {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "keys-title");
  dialog.innerHTML = `<form method="dialog" class="question keys"><h2 id="keys-title">Keys</h2><table><tbody></tbody></table>
    <label><input type="checkbox" role="switch"> Keys are on</label>
    <div class="buttons"><button autofocus>Close</button></div></form>`;
  const body = dialog.querySelector("tbody");
  for (const [key, words] of KEYS) body.append(line([key], words));
  body.append(line(["↓", "↑"], "in the table: as j and k"), line(["Enter"], "open the row"), line(["←", "→", "↑", "↓"], "on a map in space: turn it; + and - come nearer and go away"));
  for (const [key, [, name]] of Object.entries(PAGES)) body.append(line(["g", key], name));
  const isOn = dialog.querySelector("input");
  isOn.checked = !isOff();
  isOn.addEventListener("change", () => localStorage.setItem(OFF, isOn.checked ? "0" : "1"));
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return true;
}

export function listenToKeys() {
  document.addEventListener("keydown", press);
  document.getElementById("show-keys")?.addEventListener("click", showKeys);
}
