// One target: how it stands, three charts over one stretch of time, and its decisions.

import { Chart } from "./chart.js";
import { load, replicas, signals } from "./charts.js";
import { DecisionList } from "./decisions.js";
import { h, name as isolated, setText } from "./dom.js";
import { UNKNOWN, count, number } from "./format.js";
import { frameOf } from "./frame.js";
import { bounds, measured, readyOf, showAge, tile } from "./standing.js";

const RANGES = { "10 min": 600, "30 min": 1800, "2 h": 7200, "6 h": 21600, "24 h": 86400 };

const chosen = { range: null };

export class TargetView {
  constructor(store, { time, namespace, name, path, row }) {
    this.store = store;
    this.time = time;
    this.name = name;
    this.row = row ?? null; // what the list knew of it, until the stream has told more
    this.deleted = false;
    this.charts = [load, signals, replicas].map((drawing) => new Chart(drawing, (place) => this.read(place)));
    this.decisions = new DecisionList(path, time);
    this.facts = Object.fromEntries(
      Object.entries({
        replicas: "Ready / decided on", pods: "Serving · warm · starting", bounds: "Bounds", signal: "Leading signal", age: "Metric age",
        gpus: "GPUs held", hours: "GPU-hours today", cost: "Cost today",
      }).map(([key, words]) => [key, tile(words)]),
    );
    this.target = isolated("");
    this.scaled = h("span", {}, " · ", this.target);
    const where = h("p", { class: "muted" }, isolated(namespace), this.scaled);
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
    this.nothing = h("p", { class: "empty", role: "status", hidden: true });
    this.drawn = h(
      "div", { class: "drawn" },
      h("div", { class: "filters ranges", role: "group", "aria-label": "Stretch of time" }, ...this.ranges.map(([, button]) => button)),
      ...this.charts.map((chart) => chart.element),
    );
    this.standing = h(
      "div", {}, this.message, this.trouble, this.forecast,
      h("dl", { class: "tiles facts" }, ...Object.values(this.facts).map((each) => each.element)),
    );
    this.element = h(
      "article", { class: "target", "aria-labelledby": "target-title" },
      h("nav", { "aria-label": "Back" }, h("a", { class: "back", href: "#/" }, "← All targets")),
      h("header", {},
        h("div", { class: "title" }, h("h1", { id: "target-title", tabindex: "-1" }, isolated(name)), this.mode, this.reason),
        where, this.standing),
      this.nothing, this.drawn, this.decisions.element,
    );
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
    const told = this.store.told;
    this.deleted = told === null && (this.deleted || this.row !== null);
    this.row = told && told.row;
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const told = this.store.told;
    this.stand();
    const some = Boolean(told?.fine?.at.length);
    this.drawn.hidden = !some;
    this.nothing.hidden = some;
    this.decisions.element.hidden = told === null;
    this.decisions.show(told?.decisions ?? []);
    if (!some) {
      setText(this.nothing, this.missing(told));
      return;
    }
    const frame = frameOf(told, chosen.range, this.time.now());
    for (const [seconds, button] of this.ranges) button.setAttribute("aria-pressed", String(seconds === frame.seconds));
    this.charts.forEach((chart) => chart.show(frame));
  }

  // Why there is nothing to draw.
  missing(told) {
    if (told !== null) return "This replica has no history of it: whoever decides has.";
    if (this.row !== null) return "Waiting for its history …";
    return this.deleted ? "This target is gone." : "There is no such target, or not yet.";
  }

  read(place) {
    this.charts.forEach((chart) => chart.mark(place));
  }

  stand() {
    const row = this.row;
    for (const each of [this.mode, this.reason, this.scaled, this.standing]) each.hidden = row === null;
    if (row === null) return;
    setText(this.target, row.target);
    this.target.title = row.target;
    setText(this.mode, row.mode === "Auto" ? "" : row.mode);
    setText(this.reason, row.reason);
    setText(this.message, row.message);
    setText(this.forecast, row.forecast ? `Forecast: ${row.forecast}` : "");
    const trouble = row.trouble ?? [];
    this.trouble.hidden = !trouble.length;
    if (this.trouble.textContent !== trouble.join("")) this.trouble.replaceChildren(...trouble.map((each) => h("li", {}, each)));
    this.facts.replicas.set(readyOf(row));
    this.facts.pods.set(`${count(row.serving)} · ${count(row.warm)} · ${count(row.starting)}`);
    this.facts.bounds.set(bounds(row));
    this.facts.signal.set(row.signal ? `${row.signal.kind} ${measured(row.signal)}` : row.signals || UNKNOWN);
    this.facts.gpus.set(number(row.gpus));
    this.facts.hours.set(number(row.gpuHours));
    this.facts.cost.set(row.cost || UNKNOWN);
    this.age();
  }

  age() {
    if (this.row) showAge(this.facts.age.value, this.row, this.time.now());
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
