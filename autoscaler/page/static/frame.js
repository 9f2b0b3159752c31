// What the charts of a target draw: the points of one stretch of time, coarse ones first and then fine ones.

const AHEAD = 0.25; // of the stretch, at most, for what is still to come
const RANGE_S = 1800; // unless somebody has chosen
const YOUNG_S = 600; // what has lived for less is shown from its beginning

// Return the frame of `range` seconds, or of as many as fit, of what is told of a target.
export function frameOf(told, range, clock) {
  const points = joined(told.coarse, told.fine);
  const now = Math.max(clock, points.at.at(-1));
  const lived = now - points.at[0];
  const seconds = range ?? (lived < YOUNG_S ? YOUNG_S : RANGE_S);
  const from = range === null && lived < seconds ? now - Math.max(lived, 60) : now - seconds;
  const horizon = points.figures.horizon.findLast((value) => value !== null) ?? 0;
  const farthest = points.figures.horizon.reduce((most, value) => Math.max(most, value ?? 0), 0);
  const until = now + Math.min(horizon, (now - from) * AHEAD);
  // One that was forecast before the stretch begins may come due within it.
  return { ...since(points, from), forecasts: dues(since(points, from - farthest)), from, now, until, seconds, decisions: told.decisions };
}

// How far apart neighbouring points are at a place of a frame, or of its forecasts.
export function stepAt({ steps, fineFrom }, place) {
  return place < fineFrom ? steps.coarse : steps.fine;
}

// How far apart they may be: where it is more, nobody looked. Decisions are taken every few seconds, and a missing one is no gap yet.
// Of each coarse step the last one is kept: two neighbours are less than two steps apart.
export function longestAt({ steps, fineFrom }, place) {
  return place <= fineFrom ? steps.coarse * 2 : steps.fine * 4 + 20;
}

// The coarse points before the fine ones begin, and then those.
function joined(coarse, fine) {
  const fineFrom = coarse.at.filter((at) => at < fine.at[0]).length;
  const both = (old, fresh) => [...(old?.slice(0, fineFrom) ?? unknown(fineFrom)), ...(fresh ?? unknown(fine.at.length))];
  const names = new Set([...Object.keys(coarse.signals), ...Object.keys(fine.signals)]);
  return {
    steps: { coarse: coarse.stepSeconds, fine: fine.stepSeconds },
    fineFrom,
    at: both(coarse.at, fine.at),
    figures: Object.fromEntries(Object.entries(fine.figures).map(([figure, column]) => [figure, both(coarse.figures[figure], column)])),
    signals: Object.fromEntries(
      [...names].map((signal) => [signal, [0, 1].map((place) => both(coarse.signals[signal]?.[place], fine.signals[signal]?.[place]))]),
    ),
  };
}

function unknown(count) {
  return new Array(count).fill(null);
}

// The points from one before `from` on: lines come in from outside.
function since({ steps, fineFrom, at, figures, signals }, from) {
  const first = Math.max(0, at.findIndex((each) => each >= from) - 1);
  const cut = (column) => column.slice(first);
  return {
    steps,
    fineFrom: Math.max(0, fineFrom - first),
    at: cut(at),
    figures: Object.fromEntries(Object.entries(figures).map(([figure, column]) => [figure, cut(column)])),
    signals: Object.fromEntries(Object.entries(signals).map(([signal, pair]) => [signal, pair.map(cut)])),
  };
}

// The forecasts of points, each with when what it is of comes due.
function dues({ steps, fineFrom, at, figures: { horizon, median, likely } }) {
  const of = (column) => column.map((value, place) => (horizon[place] === null ? null : value));
  return { steps, fineFrom, at, due: at.map((each, place) => each + (horizon[place] ?? 0)), median: of(median), likely: of(likely) };
}
