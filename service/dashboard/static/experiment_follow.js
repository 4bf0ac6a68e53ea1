// What happens to an experiment, as it happens.

const POLL = 3000; // milliseconds, where there is no stream
const OVER = ["completed", "failed", "cancelled"];

// Calls tell at every event of the stream, or now and then where none is to be had. Returns how to stop.
export function follow(path, tell) {
  const source = new EventSource(path);
  let timer = null;
  const stop = () => {
    source.close();
    clearInterval(timer);
  };
  source.addEventListener("progress", tell);
  source.addEventListener("task", tell);
  source.addEventListener("status", (event) => {
    if (OVER.includes(JSON.parse(event.data).status)) source.close(); // else the browser would ask again
    tell();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) timer ??= setInterval(tell, POLL);
    else tell(); // it connects again by itself
  });
  return stop;
}

// A function that does the work soon, but never more often than every `pause` milliseconds.
export function paced(work, pause) {
  let isWanted = false;
  let isBusy = false;
  return async () => {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    while (isWanted) {
      isWanted = false;
      await work();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    isBusy = false;
  };
}
