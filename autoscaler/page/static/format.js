// Numbers and times as people read them. What is not known is a dash, and never 0.

export const UNKNOWN = "–";

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  const size = Math.abs(value);
  for (const [bound, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= bound) return `${plain(value / (unit === "k" ? 1e3 : bound))}${unit}`;
  }
  return size >= 100 ? String(Math.round(value)) : plain(value);
}

function plain(value) {
  return String(Number(value.toPrecision(3)));
}

export function count(value) {
  return value === null || value === undefined ? UNKNOWN : String(value);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  return whole < 172800 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86400)} d`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function clock(at) {
  return CLOCK.format(at * 1000);
}

export function minute(at) {
  return MINUTE.format(at * 1000);
}

export function moment(at, now) {
  return now - at < 72000 ? clock(at) : DAY.format(at * 1000);
}

export function percent(ratio) {
  return ratio === null || ratio === undefined ? UNKNOWN : `${Math.round(ratio * 100)} %`;
}

export function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

// "31.20 USD", ">31.20 USD": what was spent, for adding up.
export function money(text) {
  const found = /^(>?)(\d+\.\d\d) ([A-Z]{3})$/.exec(text ?? "");
  return found ? { more: found[1] === ">", amount: Number(found[2]), currency: found[3] } : null;
}
