// Tables made of documents. A cell is text, a number, or an element.

export function table(name, headings, rows) {
  const around = document.createElement("div");
  around.className = "wide";
  around.tabIndex = 0;
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", name);
  const made = around.appendChild(document.createElement("table"));
  const head = made.createTHead().insertRow();
  headings.forEach((words, index) => {
    head.append(element("th", {textContent: words, scope: "col", className: typeof rows[0]?.[index] === "number" ? "number" : ""}));
  });
  const body = made.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, index) => {
      const place = row.appendChild(element(index ? "td" : "th", index ? {} : {scope: "row"}));
      if (typeof cell === "number") place.className = "number";
      place.append(typeof cell === "number" ? cell.toLocaleString() : cell ?? "–");
    });
  }
  return around;
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Put parts in place of what is there, unless they say the same: focus and selection stay.
export function replace(place, ...parts) {
  const next = place.cloneNode(false);
  next.append(...parts);
  window.Idiomorph.morph(place, next.childNodes, {morphStyle: "innerHTML", ignoreActiveValue: true});
}

const SIZES = ["B", "kB", "MB", "GB"];

// As wording.py on the server.
export function spokenBytes(count) {
  if (count === null || count === undefined) return "–";
  for (const name of SIZES) {
    if (count < 999.5) return `${name === "B" || count >= 99.5 ? count.toFixed(0) : count.toFixed(1)} ${name}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}
