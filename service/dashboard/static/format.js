// Durations, sizes and times as people write them. Durations and sizes as rendering.py writes them on the server.

const DURATIONS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
const BYTES = ["B", "kB", "MB", "GB"];

export function formatSeconds(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  for (const [size, name, below, smaller] of DURATIONS) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / below);
    return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${smaller}` : ""}`;
  }
  return `${whole} s`;
}

export function formatBytes(count) {
  if (count === null || count === undefined) return "–";
  for (const name of BYTES) {
    if (count < 999.5) return `${name === "B" || count >= 99.5 ? count.toFixed(0) : count.toFixed(1)} ${name}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}

const short = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
const full = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

// Write every <time datetime="2024-01-02T03:04:05Z"> in the viewer's zone and language; the server wrote UTC.
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-shown])")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = short.format(at);
    element.title = full.format(at);
    element.dataset.shown = "";
  }
}

// How many digits after the point tell different numbers apart: values that differ must not look the same.
export function digitsToTell(values, least = 3, most = 6) {
  const known = [...new Set(values.filter((value) => typeof value === "number"))];
  for (let digits = least; digits < most; digits += 1) {
    if (new Set(known.map((value) => value.toFixed(digits))).size === known.length) return digits;
  }
  return most;
}
