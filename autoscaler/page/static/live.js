// A stream of events that comes back by itself: what it was told stands meanwhile, and it goes on from there.

import { ask, whoAmI } from "./ask.js";

const SILENCE_MS = 25000; // the controller says something every ten seconds
const FIRST_MS = 500;
const LAST_MS = 10000;
const HIDDEN_MS = 60000; // a page that nobody looks at gives its connection back: a browser has six for one host

export class Live {
  // `path` is what the stream is of. `heard(event, data)` is told of each event, `changed(state, detail)` of "live" with since when it was
  // not, of "lost" with since when and why, of "refused" with how to sign in, and of "resting".
  constructor(path, events, { heard, changed }) {
    this.path = path;
    this.events = events;
    this.heard = heard;
    this.changed = changed;
    this.last = "";
    this.delay = FIRST_MS;
    this.lostAt = null; // since when there is no stream
    this.why = ""; // the last one ended or was refused
    this.turnedAway = false;
    this.resting = false;
    this.source = null;
    this.timer = null;
    this.over = false;
    this.hidden = () => this.looked();
    document.addEventListener("visibilitychange", this.hidden);
  }

  open() {
    clearTimeout(this.timer);
    const since = this.last ? `?since=${encodeURIComponent(this.last)}` : "";
    const source = new EventSource(`${this.path}/events${since}`);
    this.source = source;
    for (const event of [...this.events, "beat", "bye"]) source.addEventListener(event, (message) => this.hear(source, event, message));
    source.addEventListener("open", () => (this.why = ""));
    source.addEventListener("error", () => this.fail(source));
    this.wait();
  }

  hear(source, event, message) {
    if (source !== this.source) return;
    if (message.lastEventId) this.last = message.lastEventId;
    this.wait();
    const data = JSON.parse(message.data);
    if (event === "bye") {
      this.why = data.message;
      this.fail(source);
      return;
    }
    this.delay = FIRST_MS;
    const back = this.resting ? null : this.lostAt;
    this.lostAt = null;
    this.why = "";
    this.resting = false;
    this.changed("live", { back });
    this.heard(event, data);
  }

  wait() {
    clearTimeout(this.timer);
    const source = this.source;
    this.timer = setTimeout(() => this.fail(source), SILENCE_MS);
  }

  fail(source) {
    if (source !== this.source || this.over) return;
    // A connection that breaks is made anew by the browser, one that is refused is not.
    this.turnedAway = source.readyState === EventSource.CLOSED;
    source.close();
    this.source = null;
    this.later();
  }

  later() {
    this.resting = false;
    this.lostAt ??= Date.now() / 1000;
    this.changed("lost", { since: this.lostAt, why: this.why });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.again(), this.delay);
    this.delay = Math.min(LAST_MS, this.delay * 2);
  }

  // An event stream does not say why it was refused; plain requests do.
  async again() {
    const who = await whoAmI();
    if (this.over || this.source !== null) return;
    if (who?.name === null) {
      this.changed("refused", who);
      return;
    }
    if (!who?.name) {
      this.why = who?.message ?? "";
      this.later();
      return;
    }
    if (this.turnedAway) {
      const { ok, status, told } = await ask(this.path, { whole: false });
      if (this.over || this.source !== null) return;
      // A target that is not there has a stream all the same.
      if (status && !ok && status !== 404) {
        this.why = told.message;
        this.later();
        return;
      }
    }
    this.open();
  }

  looked() {
    clearTimeout(this.rest);
    if (document.hidden) {
      this.rest = setTimeout(() => this.pause(), HIDDEN_MS);
    } else if (this.source === null) {
      clearTimeout(this.timer);
      this.again();
    }
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    if (this.lostAt !== null) return;
    this.lostAt = Date.now() / 1000;
    this.resting = true;
    this.changed("resting");
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    clearTimeout(this.rest);
    document.removeEventListener("visibilitychange", this.hidden);
    this.source?.close();
    this.source = null;
  }
}
