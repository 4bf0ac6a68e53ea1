// What a spec differs in from its source, a preset or an experiment: beside each field, with a way to set it back, and
// as a list at the button that submits it.

import {hasOwnImages} from "./form.js";
import {element} from "./table.js";

export const NAMES = ["name", "tags"]; // they say what a spec is; another spec does not take them over
const BESIDES = [...NAMES, "preset", "shared", "priority", "notes", "project", "webhook"]; // they decide no result
const MOST = 12; // changes that the list names

const isObject = (value) => Boolean(value) && typeof value === "object" && !Array.isArray(value);
const isEqual = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

// [{path, before, after}] of two specs. Another kind is one difference: its fields cannot be compared.
export function differences(before, after, above = []) {
  const isDataset = !above.length && (hasOwnImages(before) || hasOwnImages(after)); // that follows from the suite
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => above.length || !(BESIDES.includes(key) || (isDataset && key === "dataset")));
  return keys.flatMap((key) => {
    const [one, other, path] = [before[key], after[key], [...above, key]];
    if (!isObject(one) || !isObject(other) || key === "dataset") return isEqual(one, other) ? [] : [{path, before: one, after: other}];
    return one.kind === other.kind ? differences(one, other, path) : [{path: [...path, "kind"], before: one, after: other}];
  });
}

export class Changes {
  // place: where the list is. setBack(path, value): puts the source's value into the form.
  constructor(form, place, setBack) {
    this.heading = element("p", {tabIndex: -1, ariaLive: "polite"});
    this.list = element("div");
    place.replaceChildren(this.heading, this.list);
    Object.assign(this, {form, setBack});
  }

  // source: {spec, of, link}: of is "demo" or "experiment 1a2b3c"; link: address of its page, if any. spec: as it would be
  // sent. isForm: else the fields are hidden, and the text is what a person edits.
  show(source, spec, isForm) {
    this.#clear();
    const found = differences(source.spec, spec);
    const named = NAMES.filter((name) => !isEqual(source.spec[name], spec[name]) && source.spec[name]?.length).map((name) => ({path: [name], before: source.spec[name]}));
    if (isForm) for (const each of [...found, ...named]) this.#note(source, each);
    const words = found.length ? `${found.length} change${found.length === 1 ? "" : "s"} to ` : "No change to ";
    const of = source.link ? element("a", {href: source.link, textContent: source.of}) : source.of;
    if (this.heading.textContent !== words + source.of) this.heading.replaceChildren(words, of); // it is read aloud
    const list = element("ul", {}, ...found.slice(0, MOST).map((each) => element("li", {}, element("span", {textContent: `${wordsOf(each.path)}: ${textOf(each.before)} → `}), element("strong", {textContent: textOf(each.after)}))));
    if (found.length > MOST) list.append(element("li", {textContent: `and ${found.length - MOST} more`}));
    this.list.replaceChildren(...(found.length ? [list] : []));
    if (!isForm || !found.length) return;
    const all = element("button", {type: "button", className: "small outline", textContent: found.length > 1 ? "Set all back" : "Set it back"});
    all.addEventListener("click", () => {
      this.setBack(found);
      this.heading.focus();
    });
    this.list.append(all);
  }

  // Of a text that cannot be read there is nothing to say.
  hide() {
    this.heading.replaceChildren();
    this.list.replaceChildren();
  }

  #note(source, {path, before}) {
    const isKind = path.at(-1) === "kind";
    const part = this.form.part((isKind ? path.slice(0, -1) : path).join("."));
    if (!part) return;
    const control = part.matches(".field") ? part.querySelector("input, select") : isKind ? part.querySelector("select.kind") : null;
    const words = wordsOf(path);
    const hidden = (text) => element("span", {className: "hidden", textContent: text});
    const action = NAMES.includes(path[0]) ? ["Take it", hidden(` (the ${words} of ${source.of})`)] : ["Set ", hidden(`${words} `), "back", hidden(` to ${textOf(before)}`)];
    const button = element("button", {type: "button", className: "link"}, ...action);
    const note = element("p", {className: "change", id: `change-${path.join("-")}`}, `${source.of}: `, element("b", {textContent: textOf(before)}), " ", button);
    button.addEventListener("click", () => {
      this.setBack([{path, before}]);
      this.form.focus(path);
    });
    part.classList.add("changed");
    if (isKind) control.after(note);
    else part.append(note);
    (control ?? part).setAttribute("aria-describedby", [(control ?? part).getAttribute("aria-describedby"), note.id].filter(Boolean).join(" "));
  }

  #clear() {
    for (const part of this.form.root.querySelectorAll(".changed")) part.classList.remove("changed");
    for (const note of this.form.root.querySelectorAll(".change")) {
      const described = this.form.root.querySelector(`[aria-describedby~="${CSS.escape(note.id)}"]`);
      const rest = described?.getAttribute("aria-describedby").split(" ").filter((id) => id !== note.id).join(" ");
      if (rest) described.setAttribute("aria-describedby", rest);
      else described?.removeAttribute("aria-describedby");
      note.remove();
    }
  }
}

const wordsOf = (path) => path.join(" ").replaceAll("_", " ");

function textOf(value) {
  if (value === undefined || value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isObject(value)) return value.kind ?? value.id ?? JSON.stringify(value);
  if (!Array.isArray(value)) return String(value) || "none";
  if (value.some((each) => typeof each === "object")) return `${value.length} of them`;
  return value.join(", ") || "none";
}
