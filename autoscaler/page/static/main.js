// The page: which view is shown, whether we are connected, and the keys that work everywhere.

import { ask, whoAmI } from "./ask.js";
import { announce, h, setText } from "./dom.js";
import { FleetView } from "./fleet.js";
import { clock } from "./format.js";
import { Live } from "./live.js";
import { signIn } from "./signin.js";
import { Fleet, Target } from "./store.js";
import { TargetView } from "./target.js";

const main = document.getElementById("main");
const lost = document.getElementById("lost");
const standby = document.getElementById("standby");
const connection = document.getElementById("connection");
const leave = document.getElementById("leave");
const keys = document.getElementById("keys");

const REMARK_MS = 6000;
const STATES = { live: "live", lost: "not connected", refused: "signed out", resting: "resting" };

// The controller's clock, as far as we know it.
const time = {
  offset: 0,
  now() {
    return Date.now() / 1000 + this.offset;
  },
};
const fleet = { store: new Fleet(), last: "" };
let view = null;
let live = null;
let cameFrom = null; // the target that was open last: the list goes back to it
let calm = null; // while something is said that goes by itself

function route() {
  const found = /^#\/target\/([^/]+)\/([^/]+)$/.exec(location.hash);
  try {
    return found ? [decodeURIComponent(found[1]), decodeURIComponent(found[2])] : null;
  } catch {
    return null;
  }
}

function show() {
  stop();
  const target = route();
  if (target === null) {
    view = new FleetView(fleet.store, { time, open, from: cameFrom });
    live = new Live("api/fleet", ["fleet", "rows"], callbacks(fleet.store));
    live.last = fleet.last;
  } else {
    const [namespace, name] = target;
    cameFrom = `${namespace}/${name}`;
    const store = new Target();
    const path = `api/targets/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
    view = new TargetView(store, { time, namespace, name, path, row: fleet.store.rows.get(cameFrom) });
    live = new Live(path, ["target", "news", "gone"], callbacks(store));
  }
  main.replaceChildren(view.element);
  view.shown();
  live.open();
}

function stop() {
  if (live && view instanceof FleetView) fleet.last = live.last;
  live?.close();
  view?.left();
  live = view = null;
}

function open(key) {
  const cut = key.indexOf("/");
  const [namespace, name] = [key.slice(0, cut), key.slice(cut + 1)];
  location.hash = `#/target/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

function callbacks(store) {
  return {
    heard(event, data) {
      if (event === "beat") {
        beat(data);
        return;
      }
      if (event === "gone") live.last = ""; // nothing is known that news could go on from
      store.take(event, data);
      view?.heard(event, data);
    },
    changed: connected,
  };
}

function beat({ now, standing }) {
  time.offset = now - Date.now() / 1000;
  const words = standing.leads ? "decides" : "stands by";
  setText(document.getElementById("standing"), `${standing.identity} ${words}`);
  standby.hidden = standing.leads;
  if (!standing.leads) {
    const who = standing.leader ? `${standing.leader} decides` : "nobody decides now";
    const reach = standing.reach ? [" Its page has the history: ", h("code", {}, standing.reach)] : [];
    const words = h("p", {}, `This replica stands by, ${who}. You see what the objects say.`, ...reach);
    // Said once, and not with every beat: whoever hears the page would hear nothing else.
    if (standby.textContent !== words.textContent) standby.replaceChildren(words);
  }
}

function connected(state, detail) {
  connection.dataset.state = state;
  setText(document.getElementById("connection-text"), STATES[state]);
  document.body.classList.toggle("old", state !== "live");
  if (state === "resting") return; // nobody looks
  if (state === "live") {
    if (detail.back !== null) remark(`Connected again at ${clock(Date.now() / 1000)}; it was lost at ${clock(detail.back)}.`, "good");
    else if (calm === null) lost.hidden = true;
    return;
  }
  clearTimeout(calm);
  calm = null;
  if (state === "refused") {
    refused(detail);
    return;
  }
  const since = clock(detail.since);
  say(
    detail.why
      ? `Not connected since ${since}: ${detail.why}. Trying again; what is shown is from before.`
      : `Connection lost since ${since}, trying again. What is shown is from before.`,
  );
}

function say(words, kind = "") {
  lost.className = `banner ${kind}`.trim();
  if (lost.textContent !== words) lost.replaceChildren(words);
  lost.hidden = false;
}

// Say something for a while, however much is heard meanwhile.
function remark(words, kind) {
  say(words, kind);
  clearTimeout(calm);
  calm = setTimeout(() => {
    calm = null;
    lost.hidden = connection.dataset.state === "live";
  }, REMARK_MS);
}

function refused(who) {
  lost.className = "banner form";
  lost.hidden = false;
  if (lost.querySelector("form")) return; // somebody may be typing
  lost.replaceChildren(signIn(who, enter));
  lost.querySelector("input")?.focus();
}

function enter(who) {
  stop();
  leave.hidden = !who.form;
  lost.hidden = true;
  lost.replaceChildren();
  fleet.store = new Fleet();
  fleet.last = "";
  beat(who);
  show();
}

async function begin(since = Date.now() / 1000) {
  const who = await whoAmI();
  if (who?.name) {
    enter(who);
  } else if (who?.name === null) {
    connected("refused", who);
  } else {
    connected("lost", { since, why: who?.message });
    setTimeout(() => begin(since), 2000);
  }
}

async function signOut() {
  const { ok, told } = await ask("session", { method: "DELETE" });
  if (!ok) {
    remark(`You are still signed in: ${told.message}. Try again.`);
    return;
  }
  stop();
  main.replaceChildren();
  begin();
}

// ── colours ──

const THEMES = { auto: ["◐", "as the system has them"], light: ["☀", "light"], dark: ["☾", "dark"] };

function theme(wanted) {
  const root = document.documentElement;
  if (wanted === "auto") delete root.dataset.theme;
  else root.dataset.theme = wanted;
  const [sign, words] = THEMES[wanted];
  const button = document.getElementById("theme");
  setText(button, sign);
  button.setAttribute("aria-label", `Colours: ${words}`);
  button.title = `Colours: ${words} (t)`;
}

function nextTheme() {
  const names = Object.keys(THEMES);
  const wanted = names[(names.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % names.length];
  theme(wanted);
  announce(`Colours: ${THEMES[wanted][1]}`);
  try {
    localStorage.setItem("leadtime-theme", wanted);
  } catch {
    // It lasts as long as the page.
  }
}

// ── keys ──

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
  const typing = event.target instanceof Element && event.target.matches("input, select, textarea");
  if (view?.key(event, typing)) {
    event.preventDefault();
    return;
  }
  if (typing) return;
  if (event.key === "?") keys.showModal();
  else if (event.key === "t") nextTheme();
  else if (event.key === "Escape" && route() !== null) location.hash = "#/";
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", key);
document.getElementById("theme").addEventListener("click", nextTheme);
document.getElementById("help").addEventListener("click", () => keys.showModal());
leave.addEventListener("click", signOut);
// The address says what is shown, and not how far one has scrolled: to follow this link would be to go back to the list.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", () => {
  if (live) show();
});
window.addEventListener("pagehide", (event) => {
  if (!event.persisted) stop();
});
theme(document.documentElement.dataset.theme ?? "auto");
begin();
