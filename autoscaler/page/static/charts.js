// What the three charts of a target show. Each drawing says what it draws, how high it goes, and what is read at a point.

import { band, line, stairs } from "./chart.js";
import { s } from "./dom.js";
import { UNKNOWN, count, number, percent } from "./format.js";
import { stepAt } from "./frame.js";

const SIGNALS = 6; // colours; a further signal has the first one's again

function largest(columns) {
  let most = 0;
  for (const column of columns) for (const value of column) if (value !== null && value > most) most = value;
  return most;
}

const path = (kind, d) => s("path", { class: kind, d });
const mapped = (column, to) => column.map((value) => (value === null ? null : to(value)));

// ── load ──

export const load = {
  title: "Load and forecast",
  unit: "replicas' worth",
  note:
    "The band is what had been forecast one lead time before: the largest load until then, with a probability of 50 to 90 %. " +
    "The dashed line is what it came to.",
  legend: () => [["offered", "load"], ["realised", "largest within the lead time"], ["forecast", "forecast, p50 to p90"]],
  top: ({ figures, forecasts }) => 1.08 * largest([figures.offered, forecasts.likely, figures.realised]),
  marks({ at, figures, forecasts }, { x, y, longest, dueLongest }) {
    const xs = at.map(x);
    // A forecast stands where what it is of comes due.
    const due = forecasts.due.map(x);
    const inside = due.map((each, place) => place === 0 || each >= due[place - 1]);
    const shown = (column) => mapped(column, y).map((value, place) => (inside[place] ? value : null));
    return [
      path("forecast", band(due, shown(forecasts.median), shown(forecasts.likely), dueLongest)),
      path("median", line(due, shown(forecasts.median), dueLongest)),
      path("realised", line(xs, mapped(figures.realised, y), longest)),
      path("offered", line(xs, mapped(figures.offered, y), longest)),
    ];
  },
  reading(frame, place) {
    const { figures, forecasts } = frame;
    const made = forecastFor(frame, place);
    return [
      ["offered", "load", number(figures.offered[place])],
      ["realised", "largest within the lead time", number(figures.realised[place])],
      ["forecast", "forecast for it, p50 to p90", made < 0 ? UNKNOWN : `${number(forecasts.median[made])} to ${number(forecasts.likely[made])}`],
    ];
  },
};

// Return the place of the forecast that came due at a point, the one made a horizon before it; -1 where there is none. Points are as
// far apart as their step: it came due half a step later at most, and not long before.
function forecastFor(frame, place) {
  const { at, due, median } = frame.forecasts;
  const when = frame.at[place];
  const step = stepAt(frame, place);
  const made = due.findLastIndex((each, one) => median[one] !== null && at[one] <= when && each <= when + step / 2);
  return made >= 0 && when - due[made] <= step * 3 ? made : -1;
}

// ── signals ──

const HIGHEST = 4; // times the target

export const signals = {
  title: "Signals against their targets",
  unit: "share of the target",
  note: "At 100 % a signal is at its target. A gap is a signal that was missing or too old to count: that is never taken for 0.",
  legend: (frame) => Object.keys(frame.signals).map((signal, place) => [`signal-${place % SIGNALS}`, signal]),
  top: (frame) => Math.min(HIGHEST, Math.max(1.25, 1.08 * largest(Object.values(frame.signals).map(ratios)))),
  tick: (value) => percent(value),
  marks(frame, { x, y, longest, left, right }) {
    const xs = frame.at.map(x);
    const whole = y(1).toFixed(1);
    return [
      s("line", { class: "target", x1: left, x2: right, y1: whole, y2: whole }),
      ...Object.values(frame.signals).map((pair, place) => path(`signal signal-${place % SIGNALS}`, line(xs, mapped(ratios(pair), y), longest))),
    ];
  },
  reading: (frame, place) =>
    Object.entries(frame.signals).map(([signal, [values, targets]], index) => {
      const told = values[place] === null ? "missing" : `${number(values[place])} of ${number(targets[place])}`;
      return [`signal-${index % SIGNALS}`, signal, told];
    }),
};

function ratios([values, targets]) {
  return values.map((value, place) => (value === null || !targets[place] ? null : value / targets[place]));
}

// ── replicas ──

const FAR = 2.5; // a bound so many times above everything else would press it all to the ground

function stacked({ figures }) {
  const serving = figures.serving;
  const warm = serving.map((value, place) => (value === null ? null : value + (figures.warm[place] ?? 0)));
  const starting = warm.map((value, place) => (value === null ? null : value + (figures.starting[place] ?? 0)));
  return { serving, warm, starting };
}

function highest(frame) {
  return Math.max(1, largest([stacked(frame).starting, frame.figures.desired]));
}

export const replicas = {
  title: "Replicas",
  unit: "pods",
  note: "The line is what was decided on; marks below are the decisions that changed it.",
  legend(frame) {
    const most = frame.figures.most.at(-1);
    const bounds = most !== undefined && most !== null && most > FAR * highest(frame) ? `bounds (max ${most}, above)` : "bounds";
    return [["serving", "serving"], ["warm", "warm"], ["starting", "starting"], ["desired", "decided on"], ["bound", bounds]];
  },
  top(frame) {
    const most = largest([frame.figures.most]);
    const top = highest(frame);
    return 1.06 * (most > FAR * top ? top : Math.max(most, top));
  },
  marks(frame, { x, y, longest, top, base }) {
    const { figures, at } = frame;
    const xs = at.map(x);
    const stack = stacked(frame);
    const ground = at.map(() => y(0));
    const layers = Object.fromEntries(Object.entries(stack).map(([kind, column]) => [kind, mapped(column, y)]));
    const marks = [
      path("layer serving", band(xs, ground.map((each, place) => (layers.serving[place] === null ? null : each)), layers.serving, longest, true)),
      path("layer warm", band(xs, layers.serving, layers.warm, longest, true)),
      path("layer starting", band(xs, layers.warm, layers.starting, longest, true)),
      path("bound", stairs(xs, mapped(figures.least, y), longest)),
    ];
    if (largest([figures.most]) <= top) marks.push(path("bound", stairs(xs, mapped(figures.most, y), longest)));
    marks.push(path("desired", stairs(xs, mapped(figures.desired, y), longest)));
    for (const entry of frame.decisions) {
      if (entry.from === entry.to || entry.at < frame.from || entry.at > frame.until) continue;
      const up = entry.to > entry.from;
      const here = x(entry.at).toFixed(1);
      const tip = up ? -7 : 7;
      marks.push(s("path", { class: up ? "mark up" : "mark down", d: `M${here} ${base + (up ? 0 : -7) + tip}l4 ${-tip}h-8Z` }));
    }
    return marks;
  },
  reading: ({ figures }, place) => [
    ["serving", "serving", count(figures.serving[place])],
    ["warm", "warm", count(figures.warm[place])],
    ["starting", "starting", count(figures.starting[place])],
    ["desired", "decided on", count(figures.desired[place])],
    ["bound", "bounds", `${count(figures.least[place])} to ${count(figures.most[place])}`],
  ],
};
