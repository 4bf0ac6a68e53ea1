// A page follows an experiment: through the browser's one connection (feed-worker.js); where there is no SharedWorker
// (Chrome on Android), through a connection of its own for as long as the page is shown, and phones show one at a time.

import {Feed} from "./feed.js";

const HEARTBEAT = 60_000; // ms

// tell(message), as Feed tells them. Returns {stop()}.
export function follow(id, tell) {
  let source = null;
  let isStopped = false;

  function begin() {
    if (isStopped) return;
    source ??= hasWorker ? throughWorker(id, tell, replaceWorker) : throughOwnFeed(id, tell);
    source.update();
  }

  function replaceWorker() { // it does not start, such as in a browser without modules in workers
    hasWorker = false;
    source = null;
    begin();
  }

  const end = () => {
    source?.leave();
    source = null;
  };
  const update = () => begin();
  const heartbeat = setInterval(() => source?.update(), HEARTBEAT);
  document.addEventListener("visibilitychange", update);
  document.addEventListener("resume", update); // it was frozen
  addEventListener("pageshow", update);
  addEventListener("online", update);
  addEventListener("pagehide", end);
  begin();
  return {
    stop() {
      isStopped = true;
      end();
      clearInterval(heartbeat);
      document.removeEventListener("visibilitychange", update);
      document.removeEventListener("resume", update);
      removeEventListener("pageshow", update);
      removeEventListener("online", update);
      removeEventListener("pagehide", end);
    },
  };
}

let hasWorker = "SharedWorker" in window;

function throughWorker(id, tell, onFailure) {
  let worker;
  try {
    worker = new SharedWorker(new URL("feed-worker.js", import.meta.url), {type: "module", name: "tgsh", credentials: "same-origin"});
  } catch {
    hasWorker = false;
    return throughOwnFeed(id, tell);
  }
  worker.addEventListener("error", onFailure, {once: true});
  worker.port.addEventListener("message", ({data}) => tell(data));
  worker.port.start();
  let lock, hasLeft = false;
  const say = () => !hasLeft && worker.port.postMessage({follow: id, isShown: !document.hidden, lock});
  const locked = navigator.locks && new Promise((ready) => {
    const name = `tgsh ${Date.now()} ${Math.random()}`;
    navigator.locks.request(name, () => {
      lock = name;
      ready();
      return new Promise(() => {}); // as long as the page is there; browsers keep no such page for the way back
    }).catch(ready); // a page that may not
  });
  return {
    update: () => (locked && !lock ? locked.then(say) : say()),
    leave() {
      hasLeft = true;
      worker.removeEventListener("error", onFailure);
      worker.port.postMessage({});
      worker.port.close();
    },
  };
}

function throughOwnFeed(id, tell) {
  const feed = new Feed((_experiment, message) => tell(message));
  return {
    update() {
      feed.want(document.hidden ? [] : [id]);
      if (!document.hidden) feed.hurry();
    },
    leave: () => feed.want([]),
  };
}
