// On every page: times in the viewer's zone, confirmation before changes; also in what htmx brings.

import {confirmActions} from "./confirm.js";
import {showTimes} from "./format.js";

confirmActions();
showTimes();
document.addEventListener("htmx:load", (event) => showTimes(event.detail.elt));
