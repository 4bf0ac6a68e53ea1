// A SharedWorker: one Feed for all tabs of the browser. Tabs say {follow, isShown, lock} or {}, and get what Feed tells.
// A tab that closes says {}, but browsers drop such last words. So a tab holds a lock of that name as long as it is
// there: who gets it knows that the tab is gone, whatever it died of. Where there are no locks (a page without HTTPS
// that is not of this machine), a tab that is silent for long is forgotten until it says something again.

import {Feed} from "./feed.js";

const FORGOTTEN = 200_000; // ms; tabs speak once a minute, those in the background at least that often

const tabs = new Map(); // port → {id, shownAt, heardAt}
const feed = new Feed((experiment, message) => {
  for (const [port, {id}] of tabs) if (experiment === null || experiment === id) port.postMessage(message);
});

function update() {
  const newestFirst = [...tabs.values()].sort((a, b) => b.shownAt - a.shownAt);
  feed.want([...new Set(newestFirst.map(({id}) => id))]);
}

function hear(port, {follow, isShown, lock}) {
  const known = tabs.get(port);
  if (follow && lock && !known) navigator.locks.request(lock, () => hear(port, {}));
  const now = Date.now();
  if (!follow) tabs.delete(port);
  else tabs.set(port, {id: follow, heardAt: now, shownAt: isShown ? now : known?.shownAt ?? 0});
  if (known?.id !== follow || isShown) update();
  if (!follow) return;
  if (isShown) feed.hurry();
  if (known?.id === follow) return;
  port.postMessage({is: feed.is});
  const state = feed.states.get(follow);
  if (state) port.postMessage({state});
}

addEventListener("connect", ({ports: [port]}) => {
  port.addEventListener("message", ({data}) => hear(port, data));
  port.start();
});

setInterval(() => {
  const silent = [...tabs].filter(([, {heardAt}]) => Date.now() - heardAt > FORGOTTEN);
  for (const [port] of silent) tabs.delete(port);
  if (silent.length) update();
}, FORGOTTEN / 4);
