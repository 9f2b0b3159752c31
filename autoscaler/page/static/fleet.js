// The list of all targets. However many there are, only the rows in sight have elements, and the one that has the focus.

import { SORTS, arranged } from "./arrange.js";
import { announce, h, setAttribute, setText, toggle } from "./dom.js";
import { FleetRow } from "./fleetrow.js";
import { UNKNOWN, count, money, number, plural } from "./format.js";
import { readyOf, tile } from "./standing.js";
import { keyOf } from "./store.js";

const OVERSCAN = 4;
const SETTLED_MS = 250;

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

  // ── which rows, in which order ──

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
    const { order, counts } = arranged(this.store.rows.values(), chosen, this.time.now());
    this.order = order;
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
    const sums = { ready: total(rows, (row) => row.ready), desired: total(rows, (row) => row.desired) };
    this.tiles.replicas.set(readyOf(sums), "ready of those decided on");
    this.tiles.gpus.set(number(total(rows, (row) => row.gpus)));
    this.tiles.hours.set(number(total(rows, (row) => row.gpuHours)));
    this.tiles.cost.set(spent(rows));
    document.title = bad ? `(${bad}) Leadtime` : "Leadtime";
  }

  // ── which elements ──

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
    const places = [];
    for (let place = first; place < last; place += 1) places.push(place);
    // The row that has the focus stays at its place out of sight too: keys go on from there.
    const held = [...this.made].find(([, made]) => made.element.contains(document.activeElement));
    const where = held ? this.order.findIndex((row) => keyOf(row) === held[0]) : -1;
    const gone = held && where < 0 ? held[1] : null;
    const next = gone ? Math.min(this.order.length - 1, gone.element.ariaRowIndex - 2) : where;
    if (next >= 0 && (next < first || next >= last)) places.push(next);
    const kept = new Set(places.map((place) => keyOf(this.order[place])));
    // Rows that are out of sight are given to those that come into it, where they stand.
    const free = [];
    for (const [key, made] of this.made) {
      if (kept.has(key)) continue;
      if (made !== gone) free.push(made);
      this.made.delete(key);
    }
    const now = this.time.now();
    for (const place of places) this.place(this.order[place], place, height, now, free);
    if (gone) {
      if (next >= 0) this.made.get(keyOf(this.order[next])).link.focus({ preventScroll: true });
      gone.element.remove();
    }
    for (const made of free) made.element.remove();
    clearTimeout(this.ordering);
    this.ordering = setTimeout(() => this.orderInPage(), SETTLED_MS);
    setAttribute(this.table, "aria-rowcount", String(this.order.length + 1));
    this.empty.hidden = this.order.length > 0;
    if (!this.order.length) {
      setText(this.empty, this.store.rows.size ? "No target is like that." : this.store.told ? "No InferenceScaler is known yet." : "");
    }
  }

  place(row, place, height, now, free) {
    const key = keyOf(row);
    let made = this.made.get(key);
    if (!made) {
      made = free.pop();
      if (!made) {
        made = new FleetRow(this.open);
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

  // ── keys ──

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
