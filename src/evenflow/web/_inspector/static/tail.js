// The last events of a subject: only where the inspector shows contents, and only while this is open.

import { el, say } from "./dom.js";
import { clock } from "./format.js";

const KEPT = 50;

export class Tail {
  #root;
  #list = el("ol", { class: "tail" });
  #button = el("button", { type: "button", "aria-expanded": "false", onclick: () => this.#toggle() });
  #of = null;
  #source = null;

  constructor(root) {
    this.#root = root;
    root.hidden = true;
    root.append(this.#button, this.#list);
    this.#say();
  }

  show(subject) {
    this.#root.hidden = !subject;
    if (subject === this.#of) return;
    const was = this.#source !== null;
    this.#close();
    this.#of = subject;
    if (was && subject) this.#open();
    this.#say();
  }

  #toggle() {
    if (this.#source) this.#close();
    else this.#open();
    this.#say();
  }

  #say() {
    say(this.#button, this.#source ? "Stop showing events" : "Show events as they come");
    this.#button.setAttribute("aria-expanded", String(this.#source !== null));
  }

  #open() {
    this.#source = new EventSource(`tail?${new URLSearchParams({ subject: this.#of })}`);
    this.#source.onmessage = (message) => this.#add(JSON.parse(message.data).events);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#list.replaceChildren();
  }

  #add(events) {
    for (const one of events) {
      this.#list.prepend(el("li", {}, el("time", { text: clock(one.at) }), el("b", { text: one.class }), el("code", { text: one.text })));
    }
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
  }
}
