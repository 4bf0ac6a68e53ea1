// The banner of every page: what keeps the service from its work (GET /dashboard/health: /readyz for pages).
// Asked seldom, by the tab that is looked at; what it answered is kept for the next page.

const EVERY = 30_000; // ms
const KEPT = "tgsh:health";

let timer;

function kept() {
  try {
    const answer = JSON.parse(localStorage.getItem(KEPT));
    return answer && Math.abs(Date.now() - answer.at) < EVERY ? answer : null;
  } catch {
    return null; // no storage, or somebody else's words in it
  }
}

async function ask() {
  const answer = {at: Date.now(), lines: []};
  try {
    const response = await fetch("/dashboard/health", {headers: {Accept: "application/json"}});
    if (!response.ok) return answer; // not healthier, but the page itself says what is refused
    answer.lines = (await response.json()).lines;
  } catch {
    return {...answer, lines: ["The service does not answer."]};
  }
  try {
    localStorage.setItem(KEPT, JSON.stringify(answer));
  } catch {
    // then the next page asks again
  }
  return answer;
}

function show({lines}) {
  const place = document.getElementById("banner");
  const said = lines.join("\n");
  if (place.dataset.said === said) return; // a screen reader says it once
  place.dataset.said = said;
  place.replaceChildren();
  if (!lines.length) return;
  const list = document.createElement("ul");
  list.append(...lines.map((line) => Object.assign(document.createElement("li"), {textContent: line})));
  const help = Object.assign(document.createElement("a"), {href: "/guide/operate#something-is-wrong", textContent: "What to do"});
  place.append(Object.assign(document.createElement("strong"), {textContent: "The service cannot do all of its work"}), list, help);
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return; // it looks when it is shown again
  const answer = kept() ?? (await ask());
  show(answer);
  timer = setTimeout(look, Math.max(1000, answer.at + EVERY - Date.now()));
}

export function watchHealth() {
  if (!document.getElementById("banner")) return; // the page of a refusal says enough
  document.addEventListener("visibilitychange", look);
  look();
}
