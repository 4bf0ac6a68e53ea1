// A notification when the experiment or study of a page ends, if the viewer wants one and the browser allows it. The
// wish is the browser's, for all pages (localStorage). A page that is looked at tells it by its title only.

const KEY = "tgsh-notify";
const ENDS = {completed: "is completed", failed: "has failed", cancelled: "was cancelled"};

const isOn = () => localStorage.getItem(KEY) === "on" && Notification.permission === "granted";

// A switch on the page: <label id="notify" hidden><input type="checkbox"> …</label>. It is shown where there are
// notifications: in pages over HTTPS, or of this machine.
export function offerNotification() {
  const label = document.getElementById("notify");
  if (!label || !("Notification" in window) || !isSecureContext) return;
  const box = label.querySelector("input");
  label.hidden = false;
  box.checked = isOn();
  box.addEventListener("change", async () => {
    const isWanted = box.checked && (await Notification.requestPermission()) === "granted";
    label.querySelector("small").textContent = box.checked && !isWanted ? "The browser does not allow it: see its settings of this page." : "";
    localStorage.setItem(KEY, isWanted ? "on" : "off");
    box.checked = isWanted;
  });
}

// Tell the end once: tabs of the same page share a tag, so that the browser shows one.
export function notifyEnd(name, status) {
  if (!(status in ENDS) || !("Notification" in window) || !isOn()) return;
  if (document.visibilityState === "visible" && document.hasFocus()) return;
  const told = new Notification(`${name} ${ENDS[status]}`, {tag: location.pathname});
  told.addEventListener("click", () => {
    window.focus();
    told.close();
  });
}
