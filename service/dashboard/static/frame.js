// On every page: times in the viewer's zone, confirmation before changes, also in what htmx brings; the banner of what
// is wrong; keys. A hidden page asks nothing: what htmx would fetch then is fetched when the page is shown again.

import {confirmActions} from "./confirm.js";
import {showTimes} from "./format.js";
import {watchHealth} from "./health.js";
import {listenToKeys} from "./keys.js";

confirmActions();
showTimes();
watchHealth();
listenToKeys();
document.addEventListener("htmx:load", (event) => showTimes(event.detail.elt));
document.addEventListener("htmx:beforeRequest", (event) => document.hidden && event.preventDefault());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.body.dispatchEvent(new CustomEvent("tgsh:shown"));
});
