// The groups of one durable subject, and their dead letters.

import { el, keyed, mark, say } from "./dom.js";
import { clock, seconds, whole } from "./format.js";

const COLUMNS = [
  ["Group", "name"], ["Due", "due"], ["Oldest due", "oldest"], ["In hand", "in_hand"], ["Retrying", "retrying"], ["Dead", "dead"], ["Members", "members"], ["Handled here", "handled"], ["Failed here", "failed"],
];

export class Groups {
  #root;
  #dialog;
  #about;
  #body = el("tbody");

  constructor(root, dialog, about) {
    this.#root = root;
    this.#dialog = dialog;
    this.#about = about;
    root.append(el("table", { class: "groups" },
      el("thead", {}, el("tr", {}, ...COLUMNS.map(([name], at) => el("th", { scope: "col", class: at ? "number" : "", text: name })))), this.#body));
  }

  draw(store, rows) {
    this.#root.hidden = !rows.length;
    keyed(this.#body, rows, (row) => row.key, (row) => this.#make(row), (line, row) => update(store, line, row));
  }

  #make(row) {
    return el("tr", { "data-key": row.key }, ...COLUMNS.map(([name, field], at) => {
      const cell = el("td", { "data-field": field, "data-label": name, class: at ? "number" : "" });
      if (field === "name") cell.append(el("b", { class: "name" }), el("span", { class: "paused", text: "paused" }), el("span", { class: "wants" }));
      if (field === "dead") cell.append(el("span"), el("button", { type: "button", class: "letters", text: "show", onclick: () => this.#letters(row.of, row.name) }));
      return cell;
    }));
  }

  async #letters(subject, group) {
    const dialog = this.#dialog;
    dialog.replaceChildren(el("h2", { id: "letters-head", text: `Dead letters of ${group}` }), el("p", { class: "soft", text: "looking" }));
    if (!dialog.open) dialog.showModal();
    const answer = await ask(`dead?${new URLSearchParams({ subject, group })}`);
    const about = await this.#about;
    const letters = answer.letters ?? [];
    const act = (what, offsets) => this.#act(what, subject, group, offsets);
    const both = (offsets) => (about.actions ? el("span", { class: "acts" },
      el("button", { type: "button", text: "Redrive", onclick: () => act("redrive", offsets) }), sure("Discard", () => act("discard", offsets))) : null);
    const list = letters.map((letter) => el("li", {},
      el("code", { text: letter.offset }),
      el("span", { text: `${letter.type}, ${whole(letter.attempts)} ${letter.attempts === 1 ? "attempt" : "attempts"}, ${clock(letter.at)}` }),
      letter.error ? el("p", { class: "what", text: letter.error }) : null,
      letter.data ? el("pre", { text: letter.data }) : null,
      both([letter.offset])));
    dialog.replaceChildren(
      el("h2", { id: "letters-head", text: `Dead letters of ${group}` }),
      el("p", { class: "soft", role: "status", text: answer.error ?? said(letters.length, answer.most) }),
      letters.length > 1 ? el("div", { class: "all" }, el("span", { text: "All of them" }), both("all")) : null,
      el("ol", { class: "letters" }, ...list),
      el("form", { method: "dialog" }, el("button", { text: "Close" })));
  }

  async #act(what, subject, group, offsets) {
    const answer = await ask(what, { subject, group, offsets });
    await this.#letters(subject, group);
    const done = answer.error ?? `${whole(answer.done)} ${what === "redrive" ? "sent out again" : "discarded"}.`;
    say(this.#dialog.querySelector("[role=status]"), `${done} ${this.#dialog.querySelector("[role=status]").textContent}`);
  }
}

function said(number, most) {
  if (!number) return "There are none.";
  return number >= most ? `The first ${whole(most)}.` : `${whole(number)}, the oldest first.`;
}

/** A button that asks once more. */
function sure(text, act) {
  const button = el("button", { type: "button", text });
  let asked = -Infinity;
  button.addEventListener("click", () => {
    if (performance.now() - asked < 4_000) return act();
    asked = performance.now();
    say(button, `${text} for good?`);
    button.dataset.sure = "";
    setTimeout(() => {
      say(button, text);
      delete button.dataset.sure;
    }, 4_000);
  });
  return button;
}

async function ask(path, body) {
  try {
    const how = body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {};
    const answer = await fetch(path, how);
    return await answer.json();
  } catch {
    return { error: "There was no answer." };
  }
}

function update(store, line, row) {
  mark(line, "data-holds", row.dead ? "" : null);
  COLUMNS.forEach(([, field], at) => {
    const cell = line.children[at];
    if (field === "name") {
      const [name, paused, wants] = cell.children;
      say(name, row.name);
      paused.hidden = !row.paused;
      say(wants, row.wants);
      mark(wants, "title", row.wants);
    } else if (field === "dead") {
      say(cell.firstChild, whole(row.dead));
      cell.lastChild.hidden = !row.dead;
    } else if (field === "oldest") say(cell, row.oldest === null ? "–" : seconds(store.age(row.oldest)));
    else say(cell, (field === "handled" || field === "failed") && !row.here ? "–" : whole(row[field]));
    mark(cell, "data-zero", row[field] === 0 || row[field] === null ? "" : null);
  });
}
