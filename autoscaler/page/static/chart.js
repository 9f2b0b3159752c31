// One chart: a frame with axes, marks that a subclass of drawing gives it, and a read-out that follows the pointer or the arrow keys.

import { announce, h, s, setAttribute, toggle } from "./dom.js";
import { clock, minute, number } from "./format.js";
import { longestAt } from "./frame.js";

const LEFT = 44;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 22;
let made = 0; // charts, for names of their own
const TICKS_S = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200];

// Return round numbers from 0 to at least `most`, about `wanted` of them.
export function ticks(most, wanted = 4) {
  const rough = Math.max(most, 1e-9) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let place = 0; place * step < most + step * 0.999; place += 1) found.push(Number((place * step).toPrecision(6)));
  return found;
}

// A path through points; what is not known, and what nobody looked at, is a gap: `longest(place)` is how far the one before may be.
export function line(xs, ys, longest) {
  let path = "";
  let last = null;
  for (let place = 0; place < xs.length; place += 1) {
    const y = ys[place];
    if (y === null || Number.isNaN(y)) {
      last = null;
      continue;
    }
    const x = xs[place];
    path += `${last === null || x - last > longest(place) ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = x;
  }
  return path;
}

// The same in steps: a number stands until the next one.
export function stairs(xs, ys, longest) {
  let path = "";
  let last = null;
  for (let place = 0; place < xs.length; place += 1) {
    const y = ys[place];
    if (y === null || Number.isNaN(y)) {
      last = null;
      continue;
    }
    const x = xs[place].toFixed(1);
    path += last === null || xs[place] - last > longest(place) ? `M${x} ${y.toFixed(1)}` : `H${x}V${y.toFixed(1)}`;
    last = xs[place];
  }
  return path;
}

// What lies between two lines, in as many pieces as there are.
export function band(xs, lows, highs, longest, stepped = false) {
  let path = "";
  let start = 0;
  const unknown = (place) => lows[place] === null || highs[place] === null || Number.isNaN(lows[place]) || Number.isNaN(highs[place]);
  const close = (end) => {
    if (end - start < 2) return;
    const there = [];
    const back = [];
    for (let place = start; place < end; place += 1) {
      if (stepped && place > start) {
        there.push([xs[place], highs[place - 1]]);
        back.push([xs[place], lows[place - 1]]);
      }
      there.push([xs[place], highs[place]]);
      back.push([xs[place], lows[place]]);
    }
    path += `M${[...there, ...back.reverse()].map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
  };
  for (let place = 0; place <= xs.length; place += 1) {
    if (place === xs.length || unknown(place) || (place > start && xs[place] - xs[place - 1] > longest(place))) {
      close(place);
      start = place < xs.length && unknown(place) ? place + 1 : place;
    }
  }
  return path;
}

export class Chart {
  // `drawing` has title, unit, note, legend(frame), top(frame), marks(frame, scale) and reading(frame, place).
  constructor(drawing, hovered) {
    this.drawing = drawing;
    this.hovered = hovered;
    this.frame = null;
    this.cursor = null;
    this.grid = s("g", { class: "grid", "aria-hidden": "true" });
    made += 1;
    this.window = s("rect");
    const clip = s("clipPath", { id: `window-${made}` }, this.window);
    this.marks = s("g", { class: "marks", "aria-hidden": "true", "clip-path": `url(#window-${made})` });
    this.cross = s("line", { class: "cross", "aria-hidden": "true", visibility: "hidden" });
    this.svg = s("svg", { role: "img", tabindex: "0", class: "plot" }, clip, this.grid, this.marks, this.cross);
    this.readout = h("div", { class: "readout", "aria-hidden": "true", hidden: true });
    this.legend = h("ul", { class: "legend" });
    this.rows = h("tbody");
    this.headRow = h("tr");
    this.details = h(
      "details", { class: "as-table" }, h("summary", {}, "As a table"),
      h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": `${drawing.title} as a table` },
        h("table", {}, h("caption", { class: "unseen" }, drawing.title), h("thead", {}, this.headRow), this.rows)),
    );
    this.details.addEventListener("toggle", () => this.tabulate());
    this.note = h("p", { class: "note" }, drawing.note);
    this.element = h(
      "figure", { class: "chart" },
      h("figcaption", {}, h("h2", {}, drawing.title), h("span", { class: "muted" }, drawing.unit)),
      this.legend, h("div", { class: "canvas" }, this.svg, this.readout), this.note, this.details,
    );
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.hovered(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("blur", () => this.hovered(null));
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.svg);
  }

  left() {
    this.resized.disconnect();
  }

  show(frame) {
    this.frame = frame;
    this.draw();
    if (this.details.open) this.tabulate();
  }

  draw() {
    const frame = this.frame;
    const width = this.svg.clientWidth;
    const height = this.svg.clientHeight;
    if (!frame || !width || !height) return;
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${height}`);
    const most = Math.max(this.drawing.top(frame), 1e-6);
    const marks = ticks(most, Math.max(2, Math.floor(height / 60)));
    const top = marks.at(-1);
    const scale = {
      x: (at) => LEFT + ((at - frame.from) / (frame.until - frame.from)) * (width - LEFT - RIGHT),
      y: (value) => height - BOTTOM - (Math.min(value, top) / top) * (height - TOP - BOTTOM),
      width, height, top, left: LEFT, right: width - RIGHT, base: height - BOTTOM,
    };
    const wide = (seconds) => (seconds / (frame.until - frame.from)) * (width - LEFT - RIGHT);
    scale.longest = (place) => wide(longestAt(frame, place));
    scale.dueLongest = (place) => wide(longestAt(frame.forecasts, place));
    this.scale = scale;
    const frameOf = { x: scale.left, y: 0, width: scale.right - scale.left, height: scale.base };
    for (const [key, value] of Object.entries(frameOf)) setAttribute(this.window, key, String(value));
    this.axes(marks, scale, frame);
    this.marks.replaceChildren(...this.drawing.marks(frame, scale));
    this.legend.replaceChildren(...this.drawing.legend(frame).map(([kind, words]) => h("li", {}, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), words)));
    setAttribute(this.svg, "aria-label", `${this.drawing.title}. ${this.spoken(frame.at.length - 1)} Arrow keys read it.`);
    this.mark(this.cursor);
  }

  axes(marks, scale, frame) {
    const parts = [];
    for (const value of marks) {
      const y = scale.y(value).toFixed(1);
      parts.push(s("line", { x1: scale.left, x2: scale.right, y1: y, y2: y }));
      parts.push(s("text", { x: scale.left - 6, y, dy: "0.32em", "text-anchor": "end" }, this.drawing.tick?.(value) ?? number(value)));
    }
    const span = frame.until - frame.from;
    const step = TICKS_S.find((each) => each >= (span * 76) / Math.max(1, scale.right - scale.left)) ?? 86400;
    const zone = new Date(frame.until * 1000).getTimezoneOffset() * 60;
    for (let at = Math.ceil((frame.from - zone) / step) * step + zone; at <= frame.until; at += step) {
      const x = scale.x(at);
      if (x > scale.right - 14) break;
      parts.push(s("line", { class: "time", x1: x.toFixed(1), x2: x.toFixed(1), y1: scale.base, y2: scale.base + 4 }));
      parts.push(s("text", { x: x.toFixed(1), y: scale.base + 16, "text-anchor": x < scale.left + 18 ? "start" : "middle" }, step < 60 ? clock(at) : minute(at)));
    }
    if (frame.until > frame.now + 1) {
      const x = scale.x(frame.now).toFixed(1);
      parts.push(s("line", { class: "now", x1: x, x2: x, y1: TOP, y2: scale.base }));
    }
    this.grid.replaceChildren(...parts);
  }

  // ── reading ──

  point(event) {
    if (!this.scale || !this.frame.at.length) return;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const at = this.frame.from + ((x - this.scale.left) / (this.scale.right - this.scale.left)) * (this.frame.until - this.frame.from);
    this.hovered(nearest(this.frame.at, at));
  }

  key(event) {
    const last = (this.frame?.at.length ?? 0) - 1;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (event.key === "Escape" && this.cursor !== null) {
      this.hovered(null);
      event.stopPropagation();
      return;
    }
    if (!(event.key in moves) || last < 0) return;
    const here = this.cursor ?? last;
    const next = this.cursor === null && moves[event.key] === -1 ? last : Math.min(last, Math.max(0, here + moves[event.key]));
    this.hovered(next);
    announce(this.spoken(next));
    event.preventDefault();
    event.stopPropagation();
  }

  // Read what was at `place` of the frame's points, or nothing.
  mark(place) {
    this.cursor = place;
    const on = place !== null && this.frame !== null && place < this.frame.at.length && this.scale;
    setAttribute(this.cross, "visibility", on ? "visible" : "hidden");
    this.readout.hidden = !on;
    if (!on) return;
    const x = this.scale.x(this.frame.at[place]);
    for (const [key, value] of Object.entries({ x1: x, x2: x, y1: TOP, y2: this.scale.base })) setAttribute(this.cross, key, value.toFixed(1));
    this.readout.replaceChildren(
      h("p", {}, clock(this.frame.at[place])),
      ...this.drawing.reading(this.frame, place).map(([kind, words, value]) => h("p", {}, h("span", { class: `swatch ${kind}` }), h("span", {}, words), h("b", {}, value))),
    );
    const before = x > this.scale.width / 2;
    toggle(this.readout, { before });
    this.readout.style.transform = `translateX(${before ? x - 10 : x + 10}px)${before ? " translateX(-100%)" : ""}`;
  }

  spoken(place) {
    if (!this.frame || place < 0 || place >= this.frame.at.length) return "Nothing is known yet.";
    const words = this.drawing.reading(this.frame, place).map(([, what, value]) => `${what} ${value}`);
    return `${clock(this.frame.at[place])}: ${words.join(", ")}.`;
  }

  // The newest points, a row each, for whoever reads no charts.
  tabulate() {
    if (!this.details.open || !this.frame) return;
    const { at } = this.frame;
    const places = [];
    for (let place = at.length - 1; place >= 0 && places.length < 60; place -= 1) places.push(place);
    const first = places.length ? this.drawing.reading(this.frame, places[0]) : [];
    this.headRow.replaceChildren(h("th", { scope: "col" }, "Time"), ...first.map(([, words]) => h("th", { scope: "col" }, words)));
    this.rows.replaceChildren(
      ...places.map((place) => h("tr", {}, h("th", { scope: "row" }, clock(at[place])), ...this.drawing.reading(this.frame, place).map(([, , value]) => h("td", {}, value)))),
    );
  }
}

function nearest(sorted, wanted) {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - sorted[low - 1] < sorted[low] - wanted ? low - 1 : low;
}

