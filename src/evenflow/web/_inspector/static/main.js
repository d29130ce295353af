// The page: takes frames from the stream, keeps what is known in the store, and draws when the screen is ready for it.

import { Chart } from "./chart.js";
import { el, keyed, mark, say } from "./dom.js";
import { Flow } from "./flow.js";
import { bytes, rate, whole } from "./format.js";
import { Groups } from "./groups.js";
import { drawHappened } from "./happened.js";
import { listen, themes } from "./keys.js";
import { Store } from "./store.js";
import { follow } from "./stream.js";
import { Table } from "./table.js";
import { Tail } from "./tail.js";

const ABOUT = { state: "a state: each reader gets the newest value", share: "a stream that is read once for all its readers" };
const at = (id) => document.getElementById(id);
const store = new Store();
const about = fetch("about").then((answer) => answer.json()).catch(() => ({}));
let chosen = decodeURIComponent(location.hash.slice(1)) || null;
let filter = "";
let held = false;
let contents = false;
let asked = false;

const flow = new Flow(at("flow"), choose);
const chart = new Chart(at("chart"), at("legend"));
const table = new Table(at("detail"), again);
const groups = new Groups(at("groups"), at("letters"), about);
const tail = new Tail(at("tail"));

function choose(key, target) {
  if (!store.rows.has(key)) return;
  chosen = key;
  history.replaceState(null, "", `#${encodeURIComponent(key)}`);
  if (target) table.open(target);
  draw();
  if (target) table.reveal();
}

function again() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

function matches(row) {
  return [row.name, row.wants, row.takes].some((text) => text?.toLowerCase().includes(filter));
}

/** What the filter leaves: subjects that match with all they have, and others with the targets that match. */
function seen() {
  const all = store.targets();
  if (!filter) return [store.subjects(), all];
  const targets = new Map();
  const subjects = store.subjects().filter((subject) => {
    const own = all.get(subject.key) ?? [];
    const found = matches(subject) ? own : own.filter(matches);
    targets.set(subject.key, found);
    return found.length || matches(subject);
  });
  return [subjects, targets];
}

function draw() {
  asked = false;
  if (!store.number) return;
  const [subjects, targets] = seen();
  if (!store.rows.has(chosen)) chosen = subjects[0]?.key ?? null;
  if (!subjects.some((subject) => subject.key === chosen) && subjects.length) chosen = subjects[0].key;
  const own = targets.get(chosen) ?? [];
  flow.draw(store, subjects, targets, chosen);
  chart.draw(store, chosen);
  table.draw(store, chosen, own.filter((row) => row.k !== "group"));
  groups.draw(store, own.filter((row) => row.k === "group"));
  tail.show(contents && store.rows.has(chosen) && !store.rows.get(chosen).error ? chosen : null);
  drawHappened(at("happened"), store, choose);
  drawWords(own);
}

function drawWords(own) {
  const subject = store.rows.get(chosen);
  const log = subject && store.rows.get(subject.of);
  say(at("chart-head"), subject ? `${subject.name}, events a second` : "Events a second");
  say(at("detail-head"), subject ? subject.name : "Nothing is shown");
  say(at("detail-about"), subject ? words(subject, log, own) : "");
  const rows = [...store.rows.values()];
  const sum = (name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
  const speed = store.subjects().reduce((total, row) => total + store.rate(row), 0);
  const sums = [
    { name: "published a second", field: "rate", text: rate(speed) },
    { name: "events wait", field: "waiting", text: whole(sum("waiting")) },
    { name: "publishers wait", field: "publishers", text: whole(sum("publishers")), bad: sum("publishers") },
    { name: "dead letters", field: "dead", text: whole(sum("dead")), bad: sum("dead") },
  ];
  keyed(at("sums"), sums, (one) => one.field, (one) => el("div", { "data-field": one.field }, el("dd"), el("dt", { text: one.name })), (item, one) => {
    say(item.firstChild, one.text);
    mark(item, "data-bad", one.bad ? "" : null);
  });
  const title = at("title").textContent;
  document.title = `${sum("publishers") || sum("dead") ? "▲ " : ""}${rate(speed)}/s ${title}`;
}

function words(subject, log, own) {
  if (subject.error) return subject.error;
  const said = [ABOUT[subject.is] ?? `carries ${subject.takes || "events"}`];
  if (subject.value !== undefined) said.push(`now ${subject.value}`);
  if (subject.published !== undefined) said.push(`${whole(subject.published)} ${subject.is === "state" ? "changes" : "published"}`, `${whole(subject.deliveries)} deliveries`);
  if (subject.kept) said.push(`${whole(subject.kept)} kept for replay`);
  if (subject.end) said.push(`ends at ${subject.end}`);
  if (log) said.push(log.error ? `log ${log.name}: ${log.error}` : `log ${log.name}${log.events === undefined || log.events === null ? "" : `, ${whole(log.events)} events`}${log.bytes ? `, ${bytes(log.bytes)}` : ""}`);
  if (subject.closed) said.push("closed");
  else if (subject.entered === false && own.some((row) => row.k === "observer")) said.push("not entered: its observers do not run");
  return said.join(" · ");
}

about.then((said) => {
  say(at("title"), said.title ?? "evenflow");
  contents = Boolean(said.contents);
  again();
});

listen({
  step(by) {
    const keys = seen()[0].map((subject) => subject.key);
    const next = keys[Math.min(keys.length - 1, Math.max(0, keys.indexOf(chosen) + by))];
    if (next) {
      choose(next, null);
      document.querySelector(`#flow [data-key="${CSS.escape(next)}"]`)?.scrollIntoView({ block: "nearest" });
    }
  },
  filter(text) {
    filter = text.trim().toLowerCase();
    again();
  },
  hold(on) {
    held = on;
    if (!on) again();
  },
});
themes(() => {
  chart.forget();
  again();
});
follow({
  frame(frame) {
    store.take(frame);
    if (!held) again();
  },
  state(word) {
    mark(at("state"), "data-state", word);
    say(at("state"), { live: "live", connecting: "connecting", lost: "connection lost, trying again", resting: "resting while nobody looks" }[word]);
    mark(document.body, "data-stale", word === "lost" ? "" : null);
  },
});
addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1)), null));
