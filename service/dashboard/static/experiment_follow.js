// What happens to an experiment, as it happens.

const POLL = 3000; // milliseconds, where there is no stream

// Calls tell at every event of the stream, or now and then where none is to be had. Returns how to stop: a stream
// that has ended would be asked for again. What its events say is not read: it begins with those of the past.
export function follow(path, tell) {
  const source = new EventSource(path);
  let timer = null;
  const stop = () => {
    source.close();
    clearInterval(timer);
  };
  for (const kind of ["progress", "task", "status"]) source.addEventListener(kind, tell);
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
