// What has been told, put together: the fleet and one target. Nothing here knows of the page.

export function keyOf(row) {
  return `${row.namespace}/${row.name}`;
}

export class Fleet {
  constructor() {
    this.rows = new Map();
    this.told = false;
  }

  take(event, data) {
    if (event === "fleet") {
      this.told = true;
      this.rows = new Map(data.rows.map((row) => [keyOf(row), row]));
      return;
    }
    for (const row of data.changed) {
      const key = keyOf(row);
      this.rows.set(key, { ...this.rows.get(key), ...row });
    }
    for (const [namespace, name] of data.gone) this.rows.delete(`${namespace}/${name}`);
  }
}

export class Target {
  constructor() {
    this.told = null;
  }

  take(event, data) {
    if (event === "target") this.told = data;
    else if (event === "gone") this.told = null;
    else if (this.told !== null) this.add(data);
  }

  add(news) {
    const told = this.told;
    if (news.row) told.row = { ...told.row, ...news.row };
    for (const point of news.points ?? []) {
      draw(told.fine, point);
      draw(told.coarse, point);
    }
    for (const entry of news.decisions ?? []) {
      told.decisions = [...told.decisions.filter((each) => each.number !== entry.number), entry];
    }
    if (news.kept) {
      const kept = new Set(news.kept);
      told.decisions = told.decisions.filter((each) => kept.has(each.number));
    }
  }
}

function columns(ring) {
  return [ring.at, ...Object.values(ring.figures), ...Object.values(ring.signals).flat()];
}

// As the ring of the controller takes a point: in the place of the last one where both are of the same step. What is not newer
// than it is known already.
function draw(ring, point) {
  if (ring.at.length && point.at <= ring.at.at(-1)) return;
  const step = (at) => Math.floor(at / ring.stepSeconds);
  if (ring.at.length && step(ring.at.at(-1)) === step(point.at)) for (const column of columns(ring)) column.pop();
  const known = ring.at.length;
  ring.at.push(point.at);
  for (const [figure, value] of Object.entries(point.figures)) ring.figures[figure].push(value);
  for (const [signal, pair] of Object.entries(point.signals)) {
    ring.signals[signal] ??= [new Array(known).fill(null), new Array(known).fill(null)];
    pair.forEach((value, place) => ring.signals[signal][place].push(value));
  }
  for (const column of columns(ring)) {
    if (column.length === known) column.push(null);
    if (column.length > ring.points) column.splice(0, column.length - ring.points);
  }
  for (const [signal, pair] of Object.entries(ring.signals)) {
    if (pair.every((column) => column.every((value) => value === null))) delete ring.signals[signal];
  }
}
