// What was done to an upload: its sentences, and its images by class and split.

import {element, table} from "./table.js";

const FEW = 12; // classes whose counts are open at once

export function reportOf(dataset) {
  const place = element("div", {className: "report"});
  const {sentences = [], counts = {}} = dataset.report ?? {};
  if (sentences.length) place.append(element("ul", {}, ...sentences.map((each) => element("li", {textContent: `${each}.`}))));
  if (Object.keys(counts).length) place.append(countsOf(dataset.class_names, counts));
  return place;
}

function countsOf(names, counts) {
  const rows = names.map((name) => [name, counts.train?.[name] ?? 0, counts.test?.[name] ?? 0]);
  const details = element("details", {open: names.length <= FEW}, element("summary", {textContent: `Images of ${names.length} classes`}));
  details.append(table("Images of each class", ["Class", "To train", "To test"], rows));
  return details;
}
