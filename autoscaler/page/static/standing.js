// How a target stands, as its row in the list and its own page both say it.

import { h, setText, toggle } from "./dom.js";
import { UNKNOWN, count, duration, number } from "./format.js";

const LATE_S = 60; // a metric that is older is marked

// By rank, the most urgent first.
export const STATES = {
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

// How much of its target the leading signal is at.
export function ratio({ signal }) {
  return signal && signal.value !== null && signal.target ? signal.value / signal.target : null;
}

export function age(row, now) {
  return (row.metricAt ?? null) === null ? (row.metricAge ?? null) : Math.max(0, now - row.metricAt);
}

export function showAge(element, row, now) {
  const found = age(row, now);
  setText(element, duration(found));
  toggle(element, { late: found !== null && found > LATE_S });
}

export function readyOf(row) {
  return `${count(row.ready)} / ${count(row.desired)}`;
}

export function bounds(row) {
  return `${count(row.least)} to ${count(row.most)}`;
}

export function measured(signal) {
  return `${number(signal.value)} / ${number(signal.target)}`;
}

export function tile(label) {
  const value = h("dd", {}, UNKNOWN);
  return {
    element: h("div", { class: "tile" }, h("dt", {}, label), value),
    value,
    set(text, title) {
      setText(value, text);
      if (title) value.title = title;
    },
  };
}
