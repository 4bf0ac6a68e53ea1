// Words of the field, explained in place: each becomes a button that opens its note of terms.html, by keyboard as by
// pointer; Esc or a click elsewhere closes it.

const EDGE = 8; // pixels that a note keeps from the window's edges

const notes = [...document.querySelectorAll("[data-words]")];
const byWord = new Map(notes.flatMap((note) => note.dataset.words.split("|").map((word) => [word.toLowerCase(), note])));
const pattern = byWord.size ? new RegExp(`\\b(${[...byWord.keys()].join("|")})\\b`, "gi") : null;

// Make buttons of the terms in the text of an element, each note's first one; nothing on pages without notes.
export function explainTerms(element) {
  if (!pattern) return;
  const explained = new Set();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("button, a")) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = [];
    let end = 0;
    for (const {0: word, index} of text.data.matchAll(pattern)) {
      const note = byWord.get(word.toLowerCase());
      if (explained.has(note)) continue;
      explained.add(note);
      parts.push(text.data.slice(end, index), buttonOf(word, note));
      end = index + word.length;
    }
    if (parts.length) text.replaceWith(...parts, text.data.slice(end));
  }
}

function buttonOf(word, note) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "term";
  button.textContent = word;
  button.popoverTargetElement = note;
  button.addEventListener("click", () => (explainTerms.button = button));
  return button;
}

for (const note of notes) {
  note.addEventListener("toggle", ({newState}) => {
    const button = explainTerms.button;
    if (newState !== "open" || !button) return;
    const {left, bottom, top} = button.getBoundingClientRect();
    const {offsetWidth, offsetHeight} = note;
    note.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - offsetWidth - EDGE))}px`;
    note.style.top = `${bottom + offsetHeight + EDGE < innerHeight ? bottom + 4 : Math.max(EDGE, top - offsetHeight - 4)}px`;
  });
}

for (const element of document.querySelectorAll("[data-terms], .plot h3")) explainTerms(element);
