// What is known: the rows as the server sent them, how fast they change, and what happened.

const WINDOW = { durable: 6 }; // seconds that a rate is taken over: stores are looked into every two
const WINDOW_ELSE = 2;
const POINTS = 1_200; // of a chart: ten minutes
const COUNTED = { subject: "published", durable: "stored", sub: "delivered", observer: "delivered" };
const HAPPENINGS = 100;

export class Store {
  rows = new Map();
  series = new Map(); // of subjects: times, and the counters published, taken, lost
  happenings = new Map();
  now = 0; // the server's clock, at the last frame
  offset = 0; // from that clock to the time of day
  number = 0;
  #past = new Map(); // of each row: when its counter changed, and to what
  #looks = []; // when the server looked, lately

  /** Take a frame of the stream. */
  take(frame) {
    this.now = frame.at;
    this.number = frame.n;
    this.offset = Date.now() / 1000 - frame.at;
    if (frame.full) this.#begin(frame.history);
    this.#looks.push(frame.at);
    while (this.#looks.length > 2 && this.#looks[1] <= frame.at - WINDOW_ELSE) this.#looks.shift();
    for (const [key, changed] of Object.entries(frame.rows)) this.#change(key, changed);
    for (const one of frame.new) this.happenings.set(one.n, one);
    while (this.happenings.size > HAPPENINGS) this.happenings.delete(Math.min(...this.happenings.keys()));
    if (!frame.full) this.#remember();
  }

  #begin(history) {
    this.rows.clear();
    this.#past.clear();
    this.#looks.length = 0;
    this.series.clear();
    this.happenings.clear();
    for (const [key, points] of Object.entries(history)) {
      this.series.set(key, [0, 1, 2, 3].map((at) => points.map((point) => point[at])));
    }
  }

  #change(key, changed) {
    if (changed === null) {
      this.rows.delete(key);
      this.series.delete(key);
      this.#past.delete(key);
      return;
    }
    const row = this.rows.get(key) ?? { key };
    Object.assign(row, changed);
    this.rows.set(key, row);
    const counted = COUNTED[row.k];
    if (counted && (changed[counted] ?? changed.counted_at ?? null) !== null && row[counted] !== undefined) {
      if (!this.#past.has(key)) this.#past.set(key, []);
      const past = this.#past.get(key);
      if (past.length && past.at(-1)[1] > row[counted]) past.length = 0; // it lives anew
      past.push([row.counted_at ?? this.now, row[counted]]);
      const needed = row.counted_at ? row.counted_at - over(row) : this.#looks[0];
      while (past.length > 2 && past[1][0] <= needed) past.shift();
    }
  }

  #remember() {
    for (const row of this.subjects()) {
      if (!this.series.has(row.key)) this.series.set(row.key, [[], [], [], []]);
      const series = this.series.get(row.key);
      const time = row.counted_at ?? this.now;
      if (series[0].at(-1) === time) continue;
      [time, row.published ?? row.stored ?? 0, row.taken ?? 0, row.lost ?? 0].forEach((value, at) => {
        series[at].push(value);
        if (series[at].length > POINTS) series[at].shift();
      });
    }
  }

  /** Events a second, over the last seconds: between two moments at which the counter is known. */
  rate(row) {
    const past = this.#past.get(row.key);
    if (!past || !past.length) return 0;
    const now = row.counted_at ?? this.now;
    const from = row.counted_at ? past[0][0] : this.#lookBefore(now - over(row));
    const base = past.findLast((point) => point[0] <= from) ?? past[0];
    const passed = now - Math.max(from, base[0]);
    return passed > 0 ? (past.at(-1)[1] - base[1]) / passed : 0;
  }

  /** The last look that was not after this time, or the first that is known. */
  #lookBefore(time) {
    return this.#looks.findLast((look) => look <= time) ?? this.#looks[0];
  }

  subjects() {
    return [...this.rows.values()].filter((row) => row.k === "subject" || row.k === "durable");
  }

  logs() {
    return [...this.rows.values()].filter((row) => row.k === "log");
  }

  /** Subscriptions, observers and groups, by the key of their subject. */
  targets() {
    const found = new Map();
    for (const row of this.rows.values()) {
      if (row.k === "sub" || row.k === "observer" || row.k === "group") {
        if (!found.has(row.of)) found.set(row.of, []);
        found.get(row.of).push(row);
      }
    }
    return found;
  }

  /** How long ago a time of the server's clock is; never less than nothing. */
  age(time) {
    return Math.max(0, this.now - time);
  }
}

export function over(row) {
  return WINDOW[row.k] ?? WINDOW_ELSE;
}
