// One action on all chosen experiments of the table: POST /experiments/batch, after one question.

import {call, say} from "./api.js";
import {isConfirmed} from "./confirm.js";

const MOST = 1000; // as the service takes them
const QUESTIONS = {
  cancel: (count) => [`Cancel ${count}? What was learned is kept; they can be resumed.`, "Cancel them"],
  resume: (count) => [`Resume ${count}? Only what is missing is trained.`, "Resume them"],
  delete: (count) => [`Delete ${count} with all results? For seven days they can be brought back.`, "Delete them"],
};
const DONE = {cancel: "Cancelled", resume: "Queued again", delete: "Deleted", tag: "Tagged", untag: "Untagged", project: "Moved"};

const experiments = (count) => `${count} experiment${count === 1 ? "" : "s"}`;

// chosen: a Set of ids. changed(): called after every change of it. place: the tool bar.
export function batchActions(place, chosen, changed) {
  place.addEventListener("click", ({target}) => {
    if (target.dataset.action) act(target.dataset.action);
    if (target.dataset.choose === "none") choose([]);
    if (target.dataset.choose === "found") chooseFound();
  });
  for (const form of place.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(event.submitter.value, form.elements.value.value.trim() || null);
    });
  }

  function choose(ids) {
    chosen.clear();
    for (const id of ids) chosen.add(id);
    changed();
  }

  async function chooseFound() {
    const address = new URL(document.getElementById("export").dataset.ids, location.href);
    address.searchParams.set("limit", MOST);
    const answer = await fetch(address);
    if (!answer.ok) return say("The service does not answer; try again soon");
    choose((await answer.text()).trim().split(/\r?\n/).slice(1));
    if (answer.headers.has("Link")) say(`The first ${MOST} are chosen, the most at a time`);
  }

  async function act(action, value = null) {
    const ids = [...chosen];
    const question = QUESTIONS[action]?.(experiments(ids.length));
    if (question && !(await isConfirmed(...question))) return;
    place.setAttribute("aria-busy", "true");
    try {
      const body = {action, ids, ...(value === null ? {} : {value})};
      const {document: {outcomes}} = await call("POST", "/experiments/batch", {body});
      const failed = outcomes.filter(({done}) => !done);
      const words = `${DONE[action]}: ${experiments(outcomes.length - failed.length)}`;
      say(failed.length ? `${words}. ${failed.length} not: ${failed[0].detail}` : words);
      if (action === "delete") choose(failed.map(({id}) => id));
      document.body.dispatchEvent(new CustomEvent("tgsh:changed", {bubbles: true}));
    } catch (problem) {
      say(problem.message);
    } finally {
      place.removeAttribute("aria-busy");
    }
  }
}
