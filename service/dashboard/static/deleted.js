// The page of deleted experiments: one that is back is shown.

import {showTimes} from "./format.js";

showTimes();
document.addEventListener("tgsh:changed", ({target}) => {
  if (target.dataset?.then) location.assign(target.dataset.then);
});
