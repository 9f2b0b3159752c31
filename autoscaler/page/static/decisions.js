// The decisions on a target, newest first: each opens into the sentences that `leadtime explain` prints of it.

import { ask } from "./ask.js";
import { h, setAttribute, setText, toggle } from "./dom.js";
import { duration, moment } from "./format.js";

export class DecisionList {
  constructor(path, time) {
    this.path = path;
    this.time = time;
    this.entries = [];
    this.items = new Map();
    this.changesOnly = false;
    this.only = h("input", { type: "checkbox", id: "changes-only" });
    this.only.addEventListener("change", () => {
      this.changesOnly = this.only.checked;
      this.draw();
    });
    this.list = h("ol", { class: "decisions" });
    this.empty = h("p", { class: "empty" });
    this.element = h(
      "section", { class: "history", "aria-labelledby": "decisions-title" },
      h("div", { class: "history-head" }, h("h2", { id: "decisions-title" }, "Decisions"), h("label", { for: "changes-only" }, this.only, " only those that changed the number")),
      this.list, this.empty,
    );
  }

  show(entries) {
    this.entries = entries;
    this.draw();
  }

  draw() {
    const shown = this.entries.filter((entry) => !this.changesOnly || entry.from !== entry.to).reverse();
    const kept = new Set(shown.map((entry) => entry.number));
    for (const [number, item] of this.items) {
      if (kept.has(number)) continue;
      item.element.remove();
      this.items.delete(number);
    }
    let next = this.list.firstChild;
    for (const entry of shown) {
      let item = this.items.get(entry.number);
      if (!item) {
        item = new Item(entry, this.path);
        this.items.set(entry.number, item);
      }
      item.show(entry, this.time.now());
      if (item.element === next) next = next.nextSibling;
      else this.list.insertBefore(item.element, next);
    }
    this.empty.hidden = shown.length > 0;
    setText(this.empty, this.entries.length ? "None of the decisions that are kept changed the number." : "Nothing has been decided here since this replica began to lead.");
  }

  // What was told by a controller that is no longer there cannot be opened by its number.
  forget() {
    this.items.clear();
    this.list.replaceChildren();
  }

  move(by) {
    const buttons = [...this.list.querySelectorAll(".decision > button")];
    if (!buttons.length) return false;
    const here = buttons.indexOf(document.activeElement);
    const next = here < 0 ? 0 : Math.min(buttons.length - 1, Math.max(0, here + by));
    buttons[next].focus();
    return true;
  }
}

class Item {
  constructor(entry, path) {
    this.path = path;
    this.number = entry.number;
    this.when = h("time", {});
    this.move = h("b", { class: "move" });
    this.reason = h("span", { class: "chip plain" });
    this.words = h("span", { class: "message" });
    this.repeats = h("span", { class: "muted repeats" });
    const id = `decision-${entry.number}`;
    this.button = h("button", { type: "button", "aria-expanded": "false", "aria-controls": id }, this.when, this.move, this.reason, this.words, this.repeats);
    this.trail = h("div", { class: "trail", id, hidden: true });
    this.element = h("li", { class: "decision" }, this.button, this.trail);
    this.button.addEventListener("click", () => this.flip());
  }

  show(entry, now) {
    setText(this.when, moment(entry.at, now));
    setAttribute(this.when, "datetime", new Date(entry.at * 1000).toISOString());
    setText(this.move, entry.from === entry.to ? `${entry.to}` : `${entry.from} → ${entry.to}`);
    toggle(this.element, { up: entry.to > entry.from, down: entry.to < entry.from });
    setText(this.reason, entry.reason);
    setText(this.words, entry.message);
    setText(this.repeats, entry.count > 1 ? `${entry.count} × in ${duration(entry.until - entry.at)}` : "");
  }

  async flip() {
    const open = this.trail.hidden;
    this.trail.hidden = !open;
    setAttribute(this.button, "aria-expanded", String(open));
    if (open && !this.told) await this.load();
  }

  async load() {
    this.trail.replaceChildren(h("p", { class: "muted" }, "…"));
    const { ok, told } = await ask(`${this.path}/decisions/${this.number}`);
    this.told = ok;
    this.trail.replaceChildren(...(ok ? explained(told) : [h("p", { class: "problem" }, told.message)]));
  }
}

// Each of the lines that `leadtime explain --record` prints, in its order, in an element of class `said`.
function explained(told) {
  const said = (tag, text, kind = "") => h(tag, { class: `said ${kind}`.trim() }, text);
  return [
    said("p", told.beginning, "muted"),
    said("p", told.headline, "headline"),
    h("div", { class: "votes" }, said("p", told.scope, "scope"), h("ul", {}, ...told.votes.map((vote) => said("li", vote)))),
    h(
      "div", { class: "steps" }, said("p", "steps:", "scope"),
      h(
        "ol", {},
        ...told.steps.map((step, place) =>
          h("li", { class: step.move.includes("→") ? "said moved" : "said" }, h("span", { class: "place" }, `${place + 1}.`), " ", h("span", { class: "rule" }, step.rule), " ", h("b", { class: "move" }, step.move), " ", h("span", { class: "why" }, step.why)),
        ),
      ),
    ),
    ...(told.others.length ? [h("ul", { class: "others" }, ...told.others.map((other) => said("li", other)))] : []),
    ...(told.note ? [said("p", told.note)] : []),
    said("p", told.verdict, told.reproduced ? "muted" : "problem"),
  ];
}

