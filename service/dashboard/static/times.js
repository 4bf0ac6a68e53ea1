// <time datetime="2024-01-02T03:04:05Z"> in the viewer's zone and language; the server wrote UTC.

const short = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
const whole = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-shown])")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = short.format(at);
    element.title = whole.format(at);
    element.dataset.shown = "";
  }
}
