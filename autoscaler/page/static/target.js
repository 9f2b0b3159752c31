// One target: how it stands, three charts over one stretch of time, and its decisions.

import { Chart } from "./chart.js";
import { load, replicas, signals } from "./charts.js";
import { DecisionList } from "./decisions.js";
import { h, name as isolated, setText } from "./dom.js";
import { UNKNOWN, count, duration, number } from "./format.js";

const RANGES = { "10 min": 600, "30 min": 1800, "2 h": 7200, "6 h": 21600, "24 h": 86400 };
const AHEAD = 0.25; // of the stretch, at most, for what is still to come

const chosen = { range: null };

export class TargetView {
  constructor(store, { time, namespace, name, path, row }) {
    this.store = store;
    this.time = time;
    this.name = name;
    this.row = row ?? null; // what the list knew of it, until the stream has told more
    this.charts = [load, signals, replicas].map((drawing) => new Chart(drawing, (place) => this.read(place)));
    this.decisions = new DecisionList(path, time);
    this.facts = Object.fromEntries(
      Object.entries({
        replicas: "Ready / decided on", pods: "Serving · warm · starting", bounds: "Bounds", signal: "Leading signal", age: "Metric age",
        gpus: "GPUs held", hours: "GPU-hours today", cost: "Cost today",
      }).map(([key, words]) => [key, fact(words)]),
    );
    this.where = h("p", { class: "muted where" });
    this.mode = h("span", { class: "chip" });
    this.reason = h("span", { class: "chip plain" });
    this.message = h("p", { class: "headline" });
    this.forecast = h("p", { class: "muted" });
    this.trouble = h("ul", { class: "trouble" });
    this.ranges = Object.entries(RANGES).map(([words, seconds]) => {
      const button = h("button", { type: "button" }, words);
      button.addEventListener("click", () => {
        chosen.range = seconds;
        this.draw();
      });
      return [seconds, button];
    });
    this.nothing = h("p", { class: "empty", hidden: true });
    this.drawn = h(
      "div", { class: "drawn" },
      h("div", { class: "filters ranges", role: "group", "aria-label": "Stretch of time" }, ...this.ranges.map(([, button]) => button)),
      ...this.charts.map((chart) => chart.element),
    );
    this.element = h(
      "article", { class: "target", "aria-labelledby": "target-title" },
      h("nav", { "aria-label": "Back" }, h("a", { class: "back", href: "#/" }, "← All targets")),
      h("header", {},
        h("div", { class: "title" }, h("h1", { id: "target-title", tabindex: "-1" }, isolated(name)), this.mode, this.reason),
        this.where, this.message, this.trouble, this.forecast,
        h("dl", { class: "tiles facts" }, ...Object.values(this.facts).map((each) => each.element))),
      this.nothing, this.drawn, this.decisions.element,
    );
    this.where.append(isolated(namespace), " · ", isolated(""));
  }

  shown() {
    document.title = `${this.name} · Leadtime`;
    scrollTo(0, 0);
    this.element.querySelector("h1").focus({ preventScroll: true });
    this.ticking = setInterval(() => this.age(), 1000);
    this.draw();
  }

  left() {
    clearInterval(this.ticking);
    this.charts.forEach((chart) => chart.left());
  }

  heard(event) {
    if (event === "target") this.decisions.forget();
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const told = this.store.told;
    if (told) this.row = told.row;
    if (this.row) this.stand(this.row);
    const some = Boolean(told?.fine?.at.length);
    this.drawn.hidden = !some;
    this.nothing.hidden = some;
    if (!some) {
      const words = told === null ? (this.row ? "Waiting for its history …" : "There is no such target, or not yet.") : "This replica has no history of it: whoever decides has.";
      setText(this.nothing, words);
      this.decisions.show(told?.decisions ?? []);
      return;
    }
    const frame = this.frame(told);
    this.charts.forEach((chart) => chart.show(frame));
    this.decisions.show(told.decisions);
  }

  // The points of the stretch that was chosen, of the ring that has them best.
  frame(told) {
    const fine = told.fine;
    const now = Math.max(this.time.now(), fine.at.at(-1));
    const lived = now - Math.min(fine.at[0], told.coarse.at[0] ?? fine.at[0]);
    const range = chosen.range ?? (lived < 600 ? 600 : 1800);
    for (const [seconds, button] of this.ranges) button.setAttribute("aria-pressed", String(seconds === range));
    const ring = now - fine.at[0] >= range || fine.at[0] <= (told.coarse.at[0] ?? Infinity) ? fine : joined(told.coarse, fine);
    const from = lived < range && chosen.range === null ? Math.max(now - range, now - Math.max(lived, 60)) : now - range;
    const first = Math.max(0, ring.at.findIndex((at) => at >= from) - 1);
    const cut = (column) => column.slice(first);
    const horizon = [...ring.figures.horizon].reverse().find((value) => value !== null) ?? 0;
    return {
      from, now, until: now + Math.min(horizon, (now - from) * AHEAD), stepSeconds: ring.stepSeconds, at: cut(ring.at),
      figures: Object.fromEntries(Object.entries(ring.figures).map(([figure, column]) => [figure, cut(column)])),
      signals: Object.fromEntries(Object.entries(ring.signals).map(([signal, pair]) => [signal, pair.map(cut)])),
      decisions: told.decisions,
    };
  }

  read(place) {
    this.charts.forEach((chart) => chart.mark(place));
  }

  stand(row) {
    const [, target] = this.where.querySelectorAll("bdi");
    setText(target, row.target);
    target.title = row.target;
    setText(this.mode, row.mode === "Auto" ? "" : row.mode);
    setText(this.reason, row.reason);
    setText(this.message, row.message);
    setText(this.forecast, row.forecast ? `Forecast: ${row.forecast}` : "");
    const trouble = row.trouble ?? [];
    this.trouble.hidden = !trouble.length;
    if (this.trouble.textContent !== trouble.join("")) this.trouble.replaceChildren(...trouble.map((each) => h("li", {}, each)));
    this.facts.replicas.set(`${count(row.ready)} / ${count(row.desired)}`);
    this.facts.pods.set(`${count(row.serving)} · ${count(row.warm)} · ${count(row.starting)}`);
    this.facts.bounds.set(`${count(row.least)} to ${count(row.most)}`);
    this.facts.signal.set(row.signal ? `${row.signal.kind} ${number(row.signal.value)} / ${number(row.signal.target)}` : row.signals || UNKNOWN);
    this.facts.gpus.set(number(row.gpus));
    this.facts.hours.set(number(row.gpuHours));
    this.facts.cost.set(row.cost || UNKNOWN);
    this.age();
  }

  age() {
    const row = this.row;
    if (!row) return;
    const found = row.metricAt === null || row.metricAt === undefined ? row.metricAge : Math.max(0, this.time.now() - row.metricAt);
    this.facts.age.set(duration(found));
  }

  key(event, typing) {
    if (typing) return false;
    if (event.key === "j" || event.key === "k") return this.decisions.move(event.key === "j" ? 1 : -1);
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && document.activeElement?.closest(".decisions")) {
      return this.decisions.move(event.key === "ArrowDown" ? 1 : -1);
    }
    return false;
  }
}

// The coarse points before the fine ones begin, and then those.
function joined(coarse, fine) {
  const before = coarse.at.filter((at) => at < fine.at[0]).length;
  const both = (old, fresh, length) => [...(old ?? new Array(coarse.at.length).fill(null)).slice(0, before), ...(fresh ?? new Array(length).fill(null))];
  const names = new Set([...Object.keys(coarse.signals), ...Object.keys(fine.signals)]);
  return {
    stepSeconds: coarse.stepSeconds,
    at: both(coarse.at, fine.at),
    figures: Object.fromEntries(Object.keys(fine.figures).map((figure) => [figure, both(coarse.figures[figure], fine.figures[figure])])),
    signals: Object.fromEntries(
      [...names].map((signal) => [signal, [0, 1].map((place) => both(coarse.signals[signal]?.[place], fine.signals[signal]?.[place], fine.at.length))]),
    ),
  };
}

function fact(label) {
  const value = h("dd", {}, UNKNOWN);
  return { element: h("div", { class: "tile" }, h("dt", {}, label), value), set: (text) => setText(value, text) };
}
