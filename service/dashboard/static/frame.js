// What every page does: times in the viewer's zone, questions before changes; also in what htmx brings.

import {askFirst} from "./questions.js";
import {showTimes} from "./times.js";

askFirst();
showTimes();
document.addEventListener("htmx:load", (event) => showTimes(event.detail.elt));
