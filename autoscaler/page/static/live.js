// A stream of events that comes back by itself: what it was told stands meanwhile, and it goes on from there.

const SILENCE_MS = 25000; // the controller says something every ten seconds
const FIRST_MS = 500;
const LAST_MS = 10000;
const HIDDEN_MS = 60000; // a page that nobody looks at gives its connection back: a browser has six for one host

// Return who we are to the controller: a name of null and why, or null where nobody answers.
export async function whoAmI() {
  try {
    const answer = await fetch("api/who", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

export class Live {
  // `heard(event, data)` is told of each event; `changed(state, detail)` of "live", "lost", "refused" and "closed".
  constructor(path, events, { heard, changed }) {
    this.path = path;
    this.events = events;
    this.heard = heard;
    this.changed = changed;
    this.last = "";
    this.delay = FIRST_MS;
    this.lostAt = null;
    this.source = null;
    this.timer = null;
    this.over = false;
    this.hidden = () => this.looked();
    document.addEventListener("visibilitychange", this.hidden);
  }

  open() {
    clearTimeout(this.timer);
    const since = this.last ? `?since=${encodeURIComponent(this.last)}` : "";
    const source = new EventSource(this.path + since);
    this.source = source;
    for (const event of [...this.events, "beat", "bye"]) source.addEventListener(event, (message) => this.hear(source, event, message));
    source.addEventListener("error", () => this.fail(source));
    this.wait();
  }

  hear(source, event, message) {
    if (source !== this.source) return;
    if (message.lastEventId) this.last = message.lastEventId;
    this.wait();
    if (event === "bye") {
      this.fail(source);
      return;
    }
    this.delay = FIRST_MS;
    const back = this.lostAt;
    this.lostAt = null;
    this.changed("live", { back });
    this.heard(event, JSON.parse(message.data));
  }

  wait() {
    clearTimeout(this.timer);
    const source = this.source;
    this.timer = setTimeout(() => this.fail(source), SILENCE_MS);
  }

  fail(source) {
    if (source !== this.source || this.over) return;
    source.close();
    this.source = null;
    this.lostAt ??= Date.now() / 1000;
    this.changed("lost", { since: this.lostAt });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.again(), this.delay);
    this.delay = Math.min(LAST_MS, this.delay * 2);
  }

  // An event stream does not say why it was refused; a plain request does.
  async again() {
    if (this.over) return;
    const who = await whoAmI();
    if (this.over || this.source !== null) return;
    if (who?.name) {
      this.open();
      return;
    }
    if (who) {
      this.changed("refused", who);
      return;
    }
    this.changed("lost", { since: this.lostAt });
    this.timer = setTimeout(() => this.again(), this.delay);
    this.delay = Math.min(LAST_MS, this.delay * 2);
  }

  looked() {
    clearTimeout(this.rest);
    if (document.hidden) {
      this.rest = setTimeout(() => {
        clearTimeout(this.timer);
        this.source?.close();
        this.source = null;
      }, HIDDEN_MS);
    } else if (this.source === null && !this.over) {
      clearTimeout(this.timer);
      this.again();
    }
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
