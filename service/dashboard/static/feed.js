// One connection that follows many experiments: a stream of their states (service/dashboard/live.py). It is read by
// fetch and not by EventSource, which tells neither why it was refused nor that nothing has come for a long time.

const MOST = 50; // experiments in one stream, as the service allows
const SILENCE = 40_000; // ms without a byte, of a stream that says something every 15 s: the connection is dead
const GATHERING = 50; // ms in which several tabs begin or end, and one connection follows
const FIRST_WAIT = 1000, LONGEST_WAIT = 30_000; // ms before another attempt, twice as long each time
const OVER = [null, "completed", "failed", "cancelled"];

export class Feed {
  // tell(experiment or null, message): {state}, or for all of them {is: "live" | "lost" | "locked"}: what comes is
  // new, comes no more for now, or is refused, as the key is not valid any more.
  constructor(tell) {
    this.tell = tell;
    this.wanted = []; // the one looked at last is the first
    this.states = new Map();
    this.followed = new Set(); // of the connection
    this.wait = FIRST_WAIT;
    this.is = "new";
  }

  // ids: all that are wanted from now on, most important first.
  want(ids) {
    this.wanted = ids.slice(0, MOST);
    for (const id of this.states.keys()) if (!this.wanted.includes(id)) this.states.delete(id);
    clearTimeout(this.gathering);
    if (!ids.length) return this.#disconnect(); // at once: nobody may be there any more, and then no clock runs
    this.gathering = setTimeout(() => this.#connectIfNeeded(), GATHERING);
  }

  // Try now what would be tried later: the page is looked at, or the machine has woken up.
  hurry() {
    if (this.connection && Date.now() - this.heardAt > SILENCE) this.#disconnect();
    if (!this.connection) this.want(this.wanted);
    this.wait = FIRST_WAIT;
  }

  #connectIfNeeded() {
    if (!this.wanted.length) this.#disconnect();
    else if (!this.connection || !this.wanted.every((id) => this.followed.has(id))) this.#connect();
  }

  #disconnect() {
    clearTimeout(this.retry);
    clearInterval(this.watch);
    this.connection?.abort();
    this.connection = null;
    this.followed = new Set();
  }

  async #connect() {
    this.#disconnect();
    const connection = (this.connection = new AbortController());
    this.followed = new Set(this.wanted);
    this.heardAt = Date.now();
    this.watch = setInterval(() => Date.now() - this.heardAt > SILENCE && connection.abort(), SILENCE / 4);
    let refusal = 0;
    try {
      const response = await fetch(`/dashboard/events?experiments=${this.wanted.join(",")}`, {
        headers: {Accept: "text/event-stream"}, cache: "no-store", signal: connection.signal,
      });
      if (!response.ok) refusal = response.status;
      else await this.#read(response.body.getReader(), connection);
    } catch {
      // cut off: the service ends, the network does, or nothing has come for too long
    }
    if (this.connection !== connection) return; // another one is in its place
    this.#disconnect();
    // At the end of all experiments the stream ends by itself: nothing is left to connect for.
    if (!refusal && this.wanted.every((id) => OVER.includes(this.states.get(id)?.status))) return;
    this.#say(refusal === 401 || refusal === 403 ? "locked" : "lost");
    this.retry = setTimeout(() => this.#connectIfNeeded(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }

  async #read(reader, connection) {
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const {done, value} = await reader.read();
      if (done || this.connection !== connection) return;
      this.heardAt = Date.now();
      const parts = (text + decoder.decode(value, {stream: true})).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const line = part.split("\n").find((one) => one.startsWith("data:"));
        if (line) this.#take(JSON.parse(line.slice(5)));
      }
    }
  }

  #take({experiment, ...state}) {
    this.wait = FIRST_WAIT;
    this.states.set(experiment, state);
    this.#say("live");
    this.tell(experiment, {state});
  }

  #say(is) {
    if (this.is === is) return;
    this.is = is;
    this.tell(null, {is});
  }
}
