// Which targets the list shows, and in which order.

import { money } from "./format.js";
import { STATES, age, ratio, stateOf } from "./standing.js";

const RANK = Object.keys(STATES);
// By what one can sort: what is compared, and whether the largest come first.
export const SORTS = {
  state: ["State", (row) => RANK.indexOf(stateOf(row)), false],
  name: ["Name", (row) => row.name, false],
  replicas: ["Replicas", (row) => row.desired, true],
  signal: ["Signal", ratio, true],
  reason: ["Reason", (row) => row.reason, false],
  age: ["Age", age, true],
  gpus: ["GPUs", (row) => row.gpus, true],
  hours: ["GPU-hours", (row) => row.gpuHours, true],
  cost: ["Cost today", (row) => money(row.cost)?.amount ?? null, true],
};

// Return the rows that were chosen, in order, and how many the search finds of each state.
export function arranged(rows, { search, filter, sort, backwards }, now) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = { all: 0, bad: 0, busy: 0, paused: 0, zero: 0, ok: 0 };
  const [, value, down] = SORTS[sort];
  const sign = down !== backwards ? -1 : 1;
  const found = [];
  for (const row of rows) {
    if (words.length) {
      const text = searched(row);
      if (!words.every((word) => text.includes(word))) continue;
    }
    const state = stateOf(row);
    counts.all += 1;
    counts[state] += 1;
    if (filter === "all" || filter === state) found.push([value(row, now), row]);
  }
  found.sort(([a, one], [b, other]) => sign * compare(a, b, sign) || compare(one.name, other.name, 1) || compare(one.namespace, other.namespace, 1));
  return { order: found.map(([, row]) => row), counts };
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
