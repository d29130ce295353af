// The chart of one subject: published, taken and dropped, a second.

import { el, keyed, say } from "./dom.js";
import { rate } from "./format.js";
import { over } from "./store.js";

const SERIES = [
  ["published", "--accent"],
  ["taken", "--ok"],
  ["dropped", "--full"],
];
const SPAN = 300; // seconds that are shown

export class Chart {
  #root;
  #legend;
  #plot = null;
  #probe = el("span", { class: "probe" });

  constructor(root, legend) {
    this.#root = root;
    this.#legend = legend;
    root.append(this.#probe);
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(root);
  }

  /** Colours have changed: draw anew. */
  forget() {
    this.#plot?.destroy();
    this.#plot = null;
  }

  draw(store, key) {
    const span = over(store.rows.get(key) ?? {});
    const data = rates(store.series.get(key) ?? [[], [], [], []], store.offset, span);
    if (!this.#plot) this.#plot = new uPlot(this.#options(), data, this.#root);
    else this.#plot.setData(data, false);
    const now = store.now + store.offset;
    const begin = Math.min(data[0][0] ?? now - 30, now - 30);
    this.#plot.setScale("x", { min: Math.max(begin, now - SPAN), max: now });
    const last = SERIES.map(([name, colour], at) => ({ name, colour, value: data[at + 1].at(-1) ?? 0 }));
    keyed(this.#legend, last, (one) => one.name,
      (one) => el("div", { "data-series": one.name }, el("dt", { text: one.name }), el("dd")),
      (item, one) => say(item.lastChild, rate(one.value)));
  }

  #size() {
    return { width: Math.max(200, this.#root.clientWidth), height: Math.max(120, this.#root.clientHeight) };
  }

  #colour(name) {
    this.#probe.style.color = `var(${name})`;
    return getComputedStyle(this.#probe).color;
  }

  #options() {
    const soft = this.#colour("--soft");
    const grid = { stroke: this.#colour("--line"), width: 1 };
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: soft, font, grid, ticks: { show: false }, gap: 6 };
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 26, 0, 0],
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(1, (most || 0) * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 90, values: [[1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] },
        { ...axis, size: 44, space: 34, values: (_, marks) => marks.map((one) => rate(one)) },
      ],
      series: [
        {},
        ...SERIES.map(([label, name], at) => {
          const colour = this.#colour(name);
          return { label, stroke: colour, width: at ? 1.5 : 2, fill: at ? undefined : faint(colour), points: { show: false } };
        }),
      ],
    };
  }
}

function faint(colour) {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.10)");
}

/** From counters to events a second; where a counter has fallen, it lives anew, and nothing is drawn. */
function rates([times, ...counters], offset, span) {
  const begin = Math.max(1, times.length - SPAN * 2);
  const x = [];
  const ys = counters.map(() => []);
  let from = 0;
  for (let at = begin; at < times.length; at += 1) {
    while (from < at - 1 && times[from + 1] <= times[at] - span) from += 1;
    const passed = times[at] - times[from];
    x.push(times[at] + offset);
    counters.forEach((counter, which) => {
      const moved = counter[at] - counter[from];
      ys[which].push(passed > 0 && moved >= 0 ? moved / passed : null);
    });
  }
  return [x, ...ys];
}
