// The subscriptions and observers of one subject: exact numbers, sorted and filtered, a hundred at a time.

import { el, keyed, mark, say } from "./dom.js";
import { rate, seconds, tone, whole } from "./format.js";

const PAGE = 100;
const RESORT = 2_000; // rows that jump cannot be read

const POLICY = {
  block: "publishers wait", drop_oldest: "oldest dropped", drop_newest: "newest dropped", disconnect: "disconnected when full",
};

const COLUMNS = [
  { name: "Name", field: "name", by: (row) => row.name },
  { name: "Fill", field: "fill", by: (row) => (row.capacity ? row.waiting / row.capacity : 0) },
  { name: "A second", field: "rate", number: true, by: (row, store) => store.rate(row), show: (row, store) => rate(store.rate(row)) },
  { name: "Delivered", field: "delivered", number: true },
  { name: "Replaced", field: "replaced", number: true },
  { name: "Dropped", field: "dropped", number: true, bad: true },
  { name: "Oldest waits", field: "oldest", number: true, by: (row, store) => oldest(row, store) ?? -1, show: (row, store) => shownOldest(row, store) },
  { name: "Held publishers", field: "held", number: true, by: (row) => row.held ?? 0, show: (row, store) => shownHeld(row, store) },
];

export class Table {
  #root;
  #more = el("button", { type: "button", class: "more", onclick: () => { this.#limit += PAGE; this.#again(); } });
  #body = el("tbody");
  #heads;
  #limit = PAGE;
  #sort = null;
  #down = true;
  #order = [];
  #sorted = 0;
  #of = null;
  #open = null;
  #again;

  constructor(root, again) {
    this.#root = root;
    this.#again = again;
    this.#heads = COLUMNS.map((column) => el("th", { scope: "col", class: column.number ? "number" : "" },
      el("button", { type: "button", text: column.name, onclick: () => this.#by(column) })));
    root.append(el("table", { class: "subs" }, el("thead", {}, el("tr", {}, ...this.#heads)), this.#body), this.#more);
  }

  open(key) {
    this.#open = key;
    this.#sorted = 0;
  }

  reveal() {
    this.#body.querySelector("[aria-expanded=true]")?.scrollIntoView({ block: "nearest" });
  }

  #by(column) {
    this.#down = this.#sort === column ? !this.#down : column.number || column.field === "fill";
    this.#sort = column;
    this.#sorted = 0;
    this.#again();
  }

  draw(store, key, rows) {
    if (key !== this.#of) [this.#of, this.#limit, this.#sorted] = [key, PAGE, 0];
    this.#root.hidden = !rows.length;
    const shown = this.#arranged(store, rows).slice(0, this.#limit);
    const open = rows.find((row) => row.key === this.#open);
    if (open && !shown.includes(open)) shown.unshift(open);
    COLUMNS.forEach((column, at) => mark(this.#heads[at], "aria-sort", column === this.#sort ? (this.#down ? "descending" : "ascending") : null));
    keyed(this.#body, shown, (row) => row.key, (row) => this.#make(row), (line, row) => this.#update(store, line, row));
    this.#more.hidden = shown.length >= rows.length;
    say(this.#more, `${whole(rows.length - shown.length)} more; filter to find one, or show more`);
  }

  #arranged(store, rows) {
    if (!this.#sort) return rows;
    if (performance.now() - this.#sorted > RESORT) {
      const by = this.#sort.by ?? ((row) => row[this.#sort.field] ?? 0);
      const values = new Map(rows.map((row) => [row, by(row, store)]));
      const sign = this.#down ? -1 : 1;
      this.#order = [...rows].sort((a, b) => sign * compare(values.get(a), values.get(b))).map((row) => row.key);
      this.#sorted = performance.now();
    }
    const place = new Map(this.#order.map((one, at) => [one, at]));
    return [...rows].sort((a, b) => (place.get(a.key) ?? 1e9) - (place.get(b.key) ?? 1e9));
  }

  #make(row) {
    const toggle = () => { this.#open = this.#open === row.key ? null : row.key; this.#again(); };
    const cells = COLUMNS.map((column) => {
      const cell = el("td", { "data-field": column.field, "data-label": column.name, class: column.number ? "number" : "" });
      if (column.field === "name") {
        cell.append(
          el("button", { type: "button", class: "name", "aria-expanded": "false", onclick: toggle }),
          el("span", { class: "trouble" }), el("span", { class: "wants" }), el("code", { class: "made" }), el("dl", { class: "more-of", hidden: true }));
      }
      if (column.field === "fill") cell.append(el("span", { class: "bar", "aria-hidden": "true" }, el("i")), el("span", { class: "of" }));
      return cell;
    });
    return el("tr", { "data-key": row.key }, ...cells);
  }

  #update(store, line, row) {
    mark(line, "data-tone", tone(row));
    mark(line, "data-holds", row.holding ? "" : null);
    mark(line, "data-off", row.running === false ? "" : null);
    COLUMNS.forEach((column, at) => {
      const cell = line.children[at];
      if (column.field === "name") this.#name(cell, row);
      else if (column.field === "fill") {
        cell.firstChild.firstChild.style.transform = `scaleX(${(row.capacity ? Math.min(1, (row.waiting ?? 0) / row.capacity) : 0).toFixed(3)})`;
        say(cell.lastChild, `${whole(row.waiting)} / ${whole(row.capacity)}`);
      } else {
        say(cell, column.show ? column.show(row, store) : whole(row[column.field]));
        mark(cell, "data-zero", row[column.field] === 0 || row[column.field] === null ? "" : null);
        if (column.bad) mark(cell, "data-bad", row[column.field] ? "" : null);
      }
    });
  }

  #name(cell, row) {
    const [name, trouble, wants, made, more] = cell.children;
    const open = row.key === this.#open;
    say(name, row.name);
    mark(name, "aria-expanded", open);
    say(trouble, [row.failed ? `${whole(row.failed)} failed` : "", row.cancelled ? `${whole(row.cancelled)} cut off` : "", row.running === false ? "not running" : ""].filter(Boolean).join(", "));
    say(wants, row.wants);
    mark(wants, "title", row.wants);
    say(made, row.made);
    mark(made, "title", row.made_in || null);
    more.hidden = !open;
    if (open) {
      keyed(more, facts(row), (fact) => fact[0], (fact) => el("div", {}, el("dt", { text: fact[0] }), el("dd", { "data-field": fact[2] ?? null })), (item, fact) => say(item.lastChild, fact[1]));
    }
  }
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}

function oldest(row, store) {
  return row.oldest === null || row.oldest === undefined ? null : store.age(row.oldest);
}

function shownOldest(row, store) {
  const age = oldest(row, store);
  return age === null ? "–" : `${row.at_least ? "≥ " : ""}${seconds(age)}`;
}

function shownHeld(row, store) {
  if (!row.held && !row.holding) return row.held === undefined ? "–" : "0";
  const now = row.since === null || row.since === undefined ? 0 : store.age(row.since);
  const times = row.held ? `${whole(row.held)} ×, ` : "";
  return `${times}${seconds(row.held_for + now)}`;
}

function facts(row) {
  const found = [["when full", POLICY[row.overflow] ?? row.overflow]];
  if (row.conflated) found.push(["same key", "the newer replaces the older"]);
  if (row.found) found.push(["found", row.found]);
  if (row.wanted !== undefined) {
    found.push(["wanted", whole(row.wanted), "wanted"], ["waiting", whole(row.waiting), "waiting"], ["discarded", whole(row.discarded), "discarded"]);
  }
  if (row.lag) found.push(["behind", `${whole(row.lag)} numbers of the log`]);
  if (row.undecodable) found.push(["skipped, could not be read", whole(row.undecodable)]);
  if (row.k === "observer") {
    found.push(["handled", whole(row.handled), "handled"], ["failed", whole(row.failed), "failed"], ["handling", whole(row.handling), "handling"], ["cut off", whole(row.cancelled), "cancelled"]);
  }
  return found;
}
