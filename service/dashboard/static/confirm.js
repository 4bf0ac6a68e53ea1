// Buttons that change something, after a confirmation. In HTML:
//   <button data-ask="Cancel “demo”?" data-method="POST" data-path="/experiments/…/cancel"
//           data-yes="Cancel it" data-done="cancelled">
// Without data-ask it is done at once. Afterwards `tgsh:changed` is dispatched at the button, or at the body.

import {call, say} from "./api.js";

// Resolves to true where the person agrees; Escape is no.
export function isConfirmed(question, yes) {
  const dialog = document.createElement("dialog");
  dialog.innerHTML = `<form method="dialog" class="question"><p id="question"></p>
    <div class="buttons"><button value="no" class="secondary" autofocus>No</button><button value="yes"></button></div></form>`;
  dialog.setAttribute("aria-labelledby", "question");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("[value=yes]").textContent = yes;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

async function act(button) {
  const {ask, yes = "Yes", method, path, done} = button.dataset;
  if (ask && !(await isConfirmed(ask, yes))) return button.focus();
  button.setAttribute("aria-busy", "true");
  try {
    await call(method, path);
    say(done);
    const place = button.isConnected ? button : document.body; // the page may change while the dialog is open
    place.dispatchEvent(new CustomEvent("tgsh:changed", {bubbles: true}));
  } catch (problem) {
    say(problem.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export function confirmActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-method]");
    if (button && !button.hasAttribute("aria-busy")) act(button);
  });
}
