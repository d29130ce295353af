// The picture: subjects to the left, who gets their events to the right, and a line between them.
// Its width says how many events pass, its colour how full the buffer is. Places are reckoned, never measured.

import { el, keyed, mark, say, svg } from "./dom.js";
import { rate, seconds, tone, whole } from "./format.js";

const ROW = 40; // height of a node, with the gap below it
const NODE = 32;
const SUBJECT = 46;
const GAP = 14; // between two subjects
const ROWS = 48; // that the picture aims at
const LEFT = 0.34; // of the width
const RIGHT = 0.5; // where the right column begins

export class Flow {
  #root;
  #links = svg("svg", { class: "links", "aria-hidden": "true", preserveAspectRatio: "none", viewBox: "0 0 100 10" });
  #nodes = el("div", { class: "nodes" });
  #choose;

  constructor(root, choose) {
    this.#root = root;
    this.#choose = choose;
    root.append(this.#links, this.#nodes);
  }

  draw(store, subjects, targets, chosen) {
    const nodes = [];
    const links = [];
    let top = (SUBJECT - NODE) / 2;
    const most = Math.max(0, Math.floor(ROWS / Math.max(1, subjects.length)));
    for (const subject of subjects) {
      const shown = choose(store, targets.get(subject.key) ?? [], subject.key === chosen ? Math.max(most, 16) : most);
      const height = Math.max(1, shown.length) * ROW;
      const middle = top + (height - ROW) / 2;
      nodes.push({ key: subject.key, left: true, top: middle - (SUBJECT - NODE) / 2, row: subject, chosen: subject.key === chosen });
      shown.forEach((target, at) => {
        const place = top + at * ROW;
        nodes.push({ key: target.key, left: false, top: place, row: target, of: subject.key });
        links.push({ key: target.key, from: middle + NODE / 2, to: place + NODE / 2, row: target });
      });
      top += height + GAP;
    }
    const height = Math.max(ROW, top - GAP + (SUBJECT - NODE) / 2);
    this.#nodes.style.height = `${height}px`;
    this.#links.style.height = `${height}px`;
    mark(this.#links, "viewBox", `0 0 100 ${height}`);
    keyed(this.#links, links, (link) => link.key, () => svg("path", { class: "link" }), (path, link) => drawLink(store, path, link));
    keyed(this.#nodes, nodes, (node) => node.key, (node) => this.#make(node), (button, node) => drawNode(store, button, node));
  }

  #make(node) {
    const parts = node.left
      ? [el("span", { class: "name" }), el("span", { class: "rate" }), el("span", { class: "wait" })]
      : [el("span", { class: "kind", "aria-hidden": "true" }), el("span", { class: "name" }), el("span", { class: "hold" }), el("span", { class: "rate" }), el("span", { class: "bar", "aria-hidden": "true" }, el("i"))];
    const subject = node.left ? node.key : node.of;
    return el("button", { type: "button", class: node.left ? "node subject" : "node target", "data-key": node.key, onclick: () => this.#choose(subject, node.left ? null : node.key) }, ...parts);
  }
}

/** The targets that are shown: all, or those that need a look first, and one row for the rest. */
function choose(store, targets, most) {
  if (targets.length <= Math.max(1, most)) return targets;
  const weight = (row) => (row.holding ? 1e9 : 0) + (row.dead ?? 0) * 1e6 + (row.capacity ? row.waiting / row.capacity : 0) * 1e3 + Math.min(999, store.rate(row));
  const weights = new Map(targets.map((row) => [row, weight(row)]));
  const first = new Set([...targets].sort((a, b) => weights.get(b) - weights.get(a)).slice(0, Math.max(0, most - 1)));
  const shown = targets.filter((row) => first.has(row));
  const rest = targets.filter((row) => !first.has(row));
  const sum = (name) => rest.reduce((total, row) => total + (row[name] ?? 0), 0);
  shown.push({
    key: `${targets[0].of}+`, k: "rest", of: targets[0].of, running: true,
    name: `${shown.length ? "and " : ""}${whole(rest.length)} ${shown.length ? "more" : rest.length === 1 ? "subscription" : "subscriptions"}`,
    waiting: sum("waiting"), capacity: sum("capacity"), holding: sum("holding"), dead: sum("dead"),
    rate: rest.reduce((total, row) => total + store.rate(row), 0),
  });
  return shown;
}

function drawNode(store, button, node) {
  const { row } = node;
  button.style.top = `${node.top}px`;
  const rated = row.rate ?? store.rate(row);
  if (node.left) {
    const [name, speed, wait] = button.children;
    say(name, row.name);
    say(speed, row.error ? "not here" : row.closed ? "closed" : `${rate(rated)}/s`);
    say(wait, row.publishers ? `${whole(row.publishers)} ${row.publishers === 1 ? "waits" : "wait"}` : "");
    mark(button, "aria-pressed", node.chosen);
    mark(button, "data-off", row.closed || row.error ? "" : null);
    mark(button, "title", row.error ? `${row.name}: ${row.error}` : row.is ? `${row.name}, a ${row.takes}` : `${row.name} carries ${row.takes || "events"}`);
    return;
  }
  const [kind, name, hold, speed, bar] = button.children;
  const group = row.k === "group";
  const busy = group ? row.due > 0 : rated > 0;
  say(kind, { observer: "●", group: "▦", sub: "○", rest: "⋯" }[row.k]);
  say(name, row.name);
  say(hold, held(store, row));
  say(speed, group ? `${whole(row.due)} due` : row.running === false ? "not running" : `${rate(rated)}/s`);
  const fill = group ? 0 : row.capacity ? Math.min(1, row.waiting / row.capacity) : 0;
  bar.firstChild.style.transform = `scaleX(${fill.toFixed(3)})`;
  mark(button, "data-tone", group ? (row.dead ? "full" : "ok") : tone(row));
  mark(button, "data-holds", row.holding || row.dead ? "" : null);
  mark(button, "data-off", row.running === false || row.paused || !busy && group && !row.members ? "" : null);
  mark(button, "title", group ? `${row.name} wants ${row.wants}` : row.k === "rest" ? row.name : `${row.name} wants ${row.wants}; ${whole(row.waiting)} of ${whole(row.capacity)} wait`);
}

function held(store, row) {
  if (row.dead) return `${whole(row.dead)} dead`;
  if (!row.holding) return "";
  const time = row.since === null || row.since === undefined ? 0 : store.age(row.since);
  return time < 1 ? `holds ${whole(row.holding)}` : `holds ${whole(row.holding)} · ${seconds(time, false)}`;
}

function drawLink(store, path, { from, to, row }) {
  const [x1, x2] = [LEFT * 100, RIGHT * 100];
  const bend = (x1 + x2) / 2;
  mark(path, "d", `M${x1} ${from}C${bend} ${from} ${bend} ${to} ${x2} ${to}`);
  const passing = row.rate ?? (row.k === "group" ? row.due : store.rate(row));
  path.style.strokeWidth = `${(1 + Math.min(9, 2.2 * Math.log10(1 + passing))).toFixed(1)}px`;
  mark(path, "data-tone", row.running === false ? "off" : row.holding ? "full" : passing ? tone(row) : "idle");
}
