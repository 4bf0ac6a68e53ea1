// <button data-copy="id">: the text of that element goes to the clipboard.

import {say} from "./api.js";

export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      say("Copied.");
    } catch {
      // No clipboard on plain http: select it, so that Ctrl-C has it.
      source.closest("details").open = true;
      getSelection().selectAllChildren(source);
      say("Selected: copy it with Ctrl-C.");
    }
  });
}
