// The list of all targets. However many there are, only the rows in sight have elements.

import { announce, h, name, s, setAttribute, setText, toggle } from "./dom.js";
import { UNKNOWN, count, duration, money, number, plural } from "./format.js";
import { keyOf } from "./store.js";

const OVERSCAN = 4;
const SETTLED_MS = 250;
const SPARK_WIDTH = 96;
const SPARK_HEIGHT = 24;

const STATES = {
  bad: ["▲", "in trouble"],
  busy: ["◐", "changing"],
  paused: ["‖", "not acted on"],
  zero: ["○", "at zero"],
  ok: ["●", "as decided"],
};

export function stateOf(row) {
  if (row.trouble?.length) return "bad";
  if (row.desired !== null && row.ready !== null && row.desired !== row.ready) return row.mode === "Auto" ? "busy" : "paused";
  if (row.mode && row.mode !== "Auto") return "paused";
  return row.desired === 0 ? "zero" : "ok";
}

function ratio(row) {
  const signal = row.signal;
  return signal && signal.value !== null && signal.target ? signal.value / signal.target : null;
}

function age(row, now) {
  if (row.metricAt !== null && row.metricAt !== undefined) return Math.max(0, now - row.metricAt);
  return row.metricAge;
}

const RANK = { bad: 0, busy: 1, paused: 2, zero: 3, ok: 4 };
// By what one can sort: what is compared, and whether the largest come first.
const SORTS = {
  state: ["State", (row) => RANK[stateOf(row)], false],
  name: ["Name", (row) => row.name, false],
  replicas: ["Replicas", (row) => row.desired, true],
  signal: ["Signal", ratio, true],
  reason: ["Reason", (row) => row.reason, false],
  age: ["Age", age, true],
  gpus: ["GPUs", (row) => row.gpus, true],
  hours: ["GPU-hours", (row) => row.gpuHours, true],
  cost: ["Cost today", (row) => money(row.cost)?.amount ?? null, true],
};
const FILTERS = { all: "All", bad: "In trouble", busy: "Changing", paused: "Not acted on", zero: "At zero" };

// What somebody has chosen stays while the page is open.
const chosen = { sort: "state", backwards: false, filter: "all", search: "" };

export class FleetView {
  constructor(store, { time, open, from }) {
    this.store = store;
    this.time = time;
    this.open = open;
    this.from = from;
    this.order = [];
    this.made = new Map(); // rows that have an element, by key
    this.pending = false;
    this.build();
    this.onScroll = () => this.later();
    this.resized = new ResizeObserver(() => {
      this.height = null;
      this.later();
    });
  }

  build() {
    this.search = h("input", {
      type: "search", placeholder: "Search: name, namespace, target, reason", "aria-label": "Search targets", spellcheck: "false",
      autocomplete: "off", value: chosen.search, maxlength: "300",
    });
    this.search.addEventListener("input", () => {
      chosen.search = this.search.value;
      this.arrange();
      this.counted();
    });
    this.filters = Object.entries(FILTERS).map(([filter, words]) => {
      const button = h("button", { type: "button", "aria-pressed": String(chosen.filter === filter) }, words, " ", h("span", { class: "count" }));
      button.addEventListener("click", () => {
        chosen.filter = filter;
        this.filters.forEach(([each, one]) => setAttribute(one, "aria-pressed", String(each === filter)));
        this.arrange();
        this.counted();
      });
      return [filter, button];
    });
    this.select = h("select", { "aria-label": "Sort by" }, ...Object.entries(SORTS).map(([sort, [words]]) => h("option", { value: sort }, words)));
    this.select.value = chosen.sort;
    this.select.addEventListener("change", () => this.sortBy(this.select.value));
    this.headings = Object.entries(SORTS).map(([sort, [words]]) => {
      const button = h("button", { type: "button" }, words);
      button.addEventListener("click", () => this.sortBy(sort));
      return h("div", { role: "columnheader", class: `cell ${sort}`, "data-sort": sort }, button);
    });
    const past = h("div", { role: "columnheader", class: "cell past" }, "Replicas lately");
    this.body = h("div", { role: "rowgroup", class: "rows" });
    this.empty = h("p", { class: "empty" });
    this.tiles = {
      targets: tile("Targets"), bad: tile("In trouble"), replicas: tile("Replicas ready"), gpus: tile("GPUs held"),
      hours: tile("GPU-hours today"), cost: tile("Cost today"),
    };
    this.element = h(
      "section", { class: "fleet", "aria-labelledby": "fleet-title" },
      h("h1", { id: "fleet-title", class: "unseen" }, "All targets"),
      h("dl", { class: "tiles" }, ...Object.values(this.tiles).map((each) => each.element)),
      h(
        "div", { class: "tools" },
        this.search,
        h("div", { class: "filters", role: "group", "aria-label": "Show" }, ...this.filters.map(([, button]) => button)),
        h("label", { class: "sorting" }, "Sort by ", this.select),
      ),
      h(
        "div", { class: "table", role: "table", "aria-labelledby": "fleet-title" },
        h("div", { role: "rowgroup", class: "head" }, h("div", { role: "row", class: "row" }, ...this.headings, past)),
        this.body,
      ),
      this.empty,
    );
    this.table = this.body.parentElement;
    this.sorted();
  }

  shown() {
    addEventListener("scroll", this.onScroll, { passive: true });
    this.resized.observe(this.body);
    this.ticking = setInterval(() => this.ages(), 1000);
    document.title = "Leadtime";
    this.arrange();
    this.sum();
    if (this.from) this.focus(this.order.findIndex((row) => keyOf(row) === this.from));
  }

  left() {
    removeEventListener("scroll", this.onScroll);
    this.resized.disconnect();
    clearInterval(this.ticking);
    clearTimeout(this.ordering);
  }

  heard() {
    this.arrange();
    this.sum();
  }

  // ── which rows, in which order ───────────────────────────────────────────────────────────────────────────────────────────

  sortBy(sort) {
    chosen.backwards = chosen.sort === sort && !chosen.backwards;
    chosen.sort = sort;
    this.sorted();
    this.arrange();
    announce(`Sorted by ${SORTS[sort][0]}${chosen.backwards ? ", reversed" : ""}`);
  }

  sorted() {
    for (const heading of this.headings) {
      const here = heading.dataset.sort === chosen.sort;
      const down = SORTS[chosen.sort][2] !== chosen.backwards;
      setAttribute(heading, "aria-sort", here ? (down ? "descending" : "ascending") : "none");
    }
    this.select.value = chosen.sort;
  }

  arrange() {
    const words = chosen.search.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = { all: 0, bad: 0, busy: 0, paused: 0, zero: 0, ok: 0 };
    const found = [];
    for (const row of this.store.rows.values()) {
      if (words.length) {
        const text = searched(row);
        if (!words.every((word) => text.includes(word))) continue;
      }
      const state = stateOf(row);
      counts.all += 1;
      counts[state] += 1;
      if (chosen.filter === "all" || chosen.filter === state) found.push(row);
    }
    const [, value, down] = SORTS[chosen.sort];
    const sign = down !== chosen.backwards ? -1 : 1;
    const now = this.time.now();
    const keyed = found.map((row) => [value(row, now), row]);
    keyed.sort(([a, one], [b, other]) => sign * compare(a, b, sign) || compare(one.name, other.name, 1) || compare(one.namespace, other.namespace, 1));
    this.order = keyed.map(([, row]) => row);
    for (const [filter, button] of this.filters) setText(button.querySelector(".count"), counts[filter]);
    this.later();
  }

  counted() {
    clearTimeout(this.counting);
    this.counting = setTimeout(() => announce(plural(this.order.length, "target", "targets")), 400);
  }

  sum() {
    const rows = [...this.store.rows.values()];
    const bad = rows.filter((row) => row.trouble?.length).length;
    this.tiles.targets.set(count(rows.length));
    this.tiles.bad.set(count(bad));
    toggle(this.tiles.bad.element, { alarm: bad > 0 });
    this.tiles.replicas.set(`${count(total(rows, (row) => row.ready))} / ${count(total(rows, (row) => row.desired))}`, "ready of those decided on");
    this.tiles.gpus.set(number(total(rows, (row) => row.gpus)));
    this.tiles.hours.set(number(total(rows, (row) => row.gpuHours)));
    this.tiles.cost.set(spent(rows));
    document.title = bad ? `(${bad}) Leadtime` : "Leadtime";
  }

  // ── which elements ───────────────────────────────────────────────────────────────────────────────────────────────────────

  later() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const height = this.rowHeight();
    const style = this.body.style;
    const wanted = `${this.order.length * height}px`;
    if (style.height !== wanted) style.height = wanted;
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - OVERSCAN);
    const last = Math.min(this.order.length, Math.ceil((innerHeight - top) / height) + OVERSCAN);
    const kept = new Set();
    for (let place = first; place < last; place += 1) kept.add(keyOf(this.order[place]));
    // Rows that are out of sight are given to those that come into it, where they stand.
    const free = [];
    for (const [key, made] of this.made) {
      if (kept.has(key) || made.element.contains(document.activeElement)) continue;
      free.push(made);
      this.made.delete(key);
    }
    const now = this.time.now();
    for (let place = first; place < last; place += 1) this.place(this.order[place], place, height, now, free);
    for (const made of free) made.element.remove();
    clearTimeout(this.ordering);
    this.ordering = setTimeout(() => this.orderInPage(), SETTLED_MS);
    setAttribute(this.table, "aria-rowcount", String(this.order.length + 1));
    this.empty.hidden = this.order.length > 0;
    if (!this.order.length) {
      setText(this.empty, this.store.rows.size ? "No target is like that." : "No InferenceScaler is known yet.");
    }
  }

  place(row, place, height, now, free) {
    const key = keyOf(row);
    let made = this.made.get(key);
    if (!made) {
      made = free.pop();
      if (!made) {
        made = new RowElement(this.open);
        this.body.append(made.element);
      }
      this.made.set(key, made);
    }
    const wanted = `translateY(${place * height}px)`;
    if (made.element.style.transform !== wanted) made.element.style.transform = wanted;
    setAttribute(made.element, "aria-rowindex", String(place + 2));
    made.show(row, now);
  }

  // Elements stand in the page as they are read, for whoever hears them or goes through them by Tab: once it has come to rest.
  orderInPage() {
    const rows = [...this.made.values()].map((made) => made.element).sort((one, other) => one.ariaRowIndex - other.ariaRowIndex);
    let next = this.body.firstChild;
    for (const element of rows) {
      if (element === next) next = next.nextSibling;
      else if (!element.contains(document.activeElement)) this.body.insertBefore(element, next);
    }
  }

  rowHeight() {
    if (this.height) return this.height;
    this.height = parseFloat(getComputedStyle(this.body).getPropertyValue("--row-height")) || 56;
    return this.height;
  }

  ages() {
    const now = this.time.now();
    for (const made of this.made.values()) made.age(now);
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  key(event, typing) {
    if (event.target === this.search) {
      if (event.key === "Escape") {
        if (this.search.value) {
          this.search.value = chosen.search = "";
          this.arrange();
        } else this.search.blur();
        return true;
      }
      if (event.key === "ArrowDown" || event.key === "Enter") return this.focus(0);
      return false;
    }
    if (typing) return false;
    if (event.key === "/") {
      this.search.focus();
      this.search.select();
      return true;
    }
    const inList = this.body.contains(document.activeElement);
    const arrows = inList || document.activeElement === document.body;
    if (event.key === "j" || (arrows && event.key === "ArrowDown")) return this.move(1);
    if (event.key === "k" || (arrows && event.key === "ArrowUp")) return this.move(-1);
    if (inList && event.key === "Home") return this.focus(0);
    if (inList && event.key === "End") return this.focus(this.order.length - 1);
    return false;
  }

  move(by) {
    const key = document.activeElement?.closest?.(".rows .row")?.dataset.key ?? null;
    const here = key === null ? -1 : this.order.findIndex((row) => keyOf(row) === key);
    if (here < 0) return this.focus(0);
    return this.focus(Math.min(this.order.length - 1, Math.max(0, here + by)));
  }

  focus(place) {
    if (place < 0 || place >= this.order.length) return false;
    const height = this.rowHeight();
    this.body.style.height = `${this.order.length * height}px`;
    const top = this.body.getBoundingClientRect().top + place * height;
    const head = document.querySelector(".top").offsetHeight + 8;
    if (top < head) scrollBy(0, top - head);
    else if (top + height > innerHeight - 8) scrollBy(0, top + height - innerHeight + 8);
    this.draw();
    this.made.get(keyOf(this.order[place]))?.link.focus({ preventScroll: true });
    return true;
  }
}

// What a search looks through; a row is another object when it says something else.
const texts = new WeakMap();

function searched(row) {
  let text = texts.get(row);
  if (text === undefined) {
    const said = [`${row.namespace}/${row.name}`, row.target, row.mode, row.reason, row.message, ...(row.trouble ?? [])];
    text = said.join(" ").toLowerCase();
    texts.set(row, text);
  }
  return text;
}

function compare(a, b, sign) {
  // What is not known comes last, however it is sorted.
  const [noA, noB] = [a === null || a === undefined || a === "", b === null || b === undefined || b === ""];
  if (noA || noB) return noA === noB ? 0 : (noA ? 1 : -1) * sign;
  if (typeof a === "string") return a < b ? -1 : a > b ? 1 : 0;
  return a - b;
}

function total(rows, value) {
  let sum = null;
  for (const row of rows) {
    const found = value(row);
    if (found !== null && found !== undefined) sum = (sum ?? 0) + found;
  }
  return sum;
}

function spent(rows) {
  const sums = new Map();
  for (const row of rows) {
    const found = money(row.cost);
    if (!found) continue;
    const sum = sums.get(found.currency) ?? { amount: 0, more: false };
    sums.set(found.currency, { amount: sum.amount + found.amount, more: sum.more || found.more });
  }
  if (!sums.size) return UNKNOWN;
  return [...sums].map(([currency, { amount, more }]) => `${more ? ">" : ""}${number(amount)} ${currency}`).join(", ");
}

function tile(label) {
  const value = h("dd", {}, UNKNOWN);
  return {
    element: h("div", { class: "tile" }, h("dt", {}, label), value),
    set(text, title) {
      setText(value, text);
      if (title) value.title = title;
    },
  };
}

class RowElement {
  constructor(open) {
    this.row = null;
    this.sign = h("span", { class: "sign", "aria-hidden": "true" });
    this.stateWords = h("span", { class: "unseen" });
    this.link = h("a", { class: "name" });
    this.bdi = name("");
    this.link.append(this.bdi);
    this.place = name("", { class: "muted" });
    this.mode = h("span", { class: "chip" });
    this.replicas = h("span", { class: "figure" });
    this.extra = h("span", { class: "muted" });
    this.bar = h("span", { class: "fill" });
    this.signalName = name("", { class: "muted" });
    this.signalValue = h("span", { class: "figure" });
    this.reason = h("span", { class: "chip plain" });
    this.message = h("span", { class: "message" });
    this.ageText = h("span", {});
    this.gpus = h("span", {});
    this.hours = h("span", {});
    this.cost = h("span", {});
    this.path = s("path", { class: "spark" });
    const svg = s("svg", { viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.path);
    const cell = (kind, ...children) => h("div", { role: "cell", class: `cell ${kind}` }, ...children);
    this.element = h(
      "div", { role: "row", class: "row" },
      cell("state", this.sign, this.stateWords),
      cell("name", this.link, h("span", { class: "under" }, this.place, " ", this.mode)),
      cell("replicas", this.replicas, this.extra),
      cell("signal", h("span", { class: "under" }, this.signalName, " ", this.signalValue), h("span", { class: "meter", "aria-hidden": "true" }, this.bar)),
      cell("reason", h("div", { class: "lines" }, this.reason, this.message)),
      cell("age", this.ageText),
      cell("gpus", this.gpus),
      cell("hours", this.hours),
      cell("cost", this.cost),
      cell("past", svg),
    );
    this.element.addEventListener("click", (event) => {
      if (!(event.target instanceof Element && event.target.closest("a")) && !getSelection()?.toString()) open(this.element.dataset.key);
    });
  }

  show(row, now) {
    if (row === this.row) {
      this.age(now);
      return;
    }
    const before = this.row;
    this.row = row;
    const state = stateOf(row);
    setAttribute(this.element, "data-state", state);
    setText(this.sign, STATES[state][0]);
    setText(this.stateWords, STATES[state][1]);
    if (this.element.dataset.key !== keyOf(row)) {
      this.element.dataset.key = keyOf(row);
      setText(this.bdi, row.name);
      this.bdi.title = row.name;
      this.link.href = `#/target/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.name)}`;
      setText(this.place, row.namespace);
      this.place.title = row.namespace;
    }
    setText(this.mode, row.mode === "Auto" ? "" : row.mode);
    setText(this.replicas, `${count(row.ready)} / ${count(row.desired)}`);
    setText(this.extra, `${count(row.least)} to ${count(row.most)}`);
    this.replicas.title = `${count(row.ready)} ready, ${count(row.current)} asked for, ${count(row.desired)} decided on`;
    const part = ratio(row);
    setText(this.signalName, row.signal ? row.signal.kind : row.signals);
    setText(this.signalValue, row.signal ? `${number(row.signal.value)} / ${number(row.signal.target)}` : "");
    this.bar.style.transform = `scaleX(${part === null ? 0 : Math.min(1, part / 1.5)})`;
    toggle(this.bar, { over: part !== null && part > 1.1 });
    setText(this.reason, row.reason);
    setText(this.message, row.trouble?.length ? row.trouble[0] : row.message);
    this.message.title = [...(row.trouble ?? []), row.message].join("\n");
    setText(this.gpus, number(row.gpus));
    setText(this.hours, number(row.gpuHours));
    setText(this.cost, row.cost || UNKNOWN);
    if (before?.spark !== row.spark) this.path.setAttribute("d", steps(row.spark ?? []));
    this.age(now);
  }

  age(now) {
    const found = age(this.row, now);
    setText(this.ageText, duration(found));
    toggle(this.ageText, { late: found !== null && found !== undefined && found > 60 });
  }
}

// A line of steps over the whole width, the newest at the right; the lowest is no replica.
function steps(values) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return "";
  const top = Math.max(1, ...known);
  const width = SPARK_WIDTH / (values.length - 1);
  const y = (value) => (SPARK_HEIGHT - 2 - (value / top) * (SPARK_HEIGHT - 4)).toFixed(1);
  let path = `M0 ${y(values[0] ?? 0)}`;
  for (let place = 1; place < values.length; place += 1) path += `H${(place * width).toFixed(1)}V${y(values[place] ?? 0)}`;
  return path;
}
