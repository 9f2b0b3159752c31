// A target's row in the list: its element, which is given from one row to another as they come into sight.

import { h, name, s, setAttribute, setText, toggle } from "./dom.js";
import { UNKNOWN, count, number } from "./format.js";
import { STATES, bounds, measured, ratio, readyOf, showAge, stateOf } from "./standing.js";
import { keyOf } from "./store.js";

const SPARK_WIDTH = 96;
const SPARK_HEIGHT = 24;

export class FleetRow {
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
    setText(this.replicas, readyOf(row));
    setText(this.extra, bounds(row));
    this.replicas.title = `${count(row.ready)} ready, ${count(row.current)} asked for, ${count(row.desired)} decided on`;
    const part = ratio(row);
    setText(this.signalName, row.signal ? row.signal.kind : row.signals);
    setText(this.signalValue, row.signal ? measured(row.signal) : "");
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
    showAge(this.ageText, this.row, now);
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
