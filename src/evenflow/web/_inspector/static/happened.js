// Failures, stalls, deadlocks, gaps and dead letters, the newest first.

import { el, keyed, say } from "./dom.js";
import { clock, whole } from "./format.js";

const WORDS = {
  failure: "failure", stall: "stall", deadlock: "deadlock", gap: "gap", disconnect: "disconnected", dead: "dead letter",
};
const SHOWN = 50;

export function drawHappened(root, store, choose) {
  const newest = [...store.happenings.values()].sort((a, b) => b.to - a.to || b.n - a.n).slice(0, SHOWN);
  const items = newest.length ? newest : [{ n: 0, kind: "nothing" }];
  keyed(root, items, (one) => one.n,
    (one) => (one.kind === "nothing" ? el("li", { class: "none", text: "Nothing to worry about since somebody looks." }) : make(one, choose)),
    (item, one) => one.kind !== "nothing" && update(item, one, store));
}

function make(one, choose) {
  return el("li", { "data-kind": one.kind, "data-n": one.n },
    el("button", { type: "button", onclick: () => choose(one.subject, null) },
      el("span", { class: "kind", text: WORDS[one.kind] ?? one.kind }),
      el("span", { class: "count" }),
      el("time"),
      el("span", { class: "who" }),
      el("span", { class: "what" }),
      el("code", { class: "where" })));
}

function update(item, one, store) {
  const [, count, time, who, what, where] = item.firstChild.children;
  const subject = store.rows.get(one.subject)?.name ?? "";
  say(count, one.count > 1 ? `× ${whole(one.count)}` : "");
  say(time, clock(one.to));
  say(who, subject && subject !== one.who && !one.who.startsWith(`${subject}/`) ? `${subject} › ${one.who}` : one.who);
  say(what, one.what);
  say(where, one.where);
}
