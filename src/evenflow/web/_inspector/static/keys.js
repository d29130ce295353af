// Keys, the filter, holding the page still, and light or dark.

import { mark, say } from "./dom.js";

const at = (id) => document.getElementById(id);
const THEMES = ["auto", "light", "dark"];

export function listen({ step, filter, hold }) {
  const find = at("filter");
  const pause = at("pause");
  let held = false;

  function toggle() {
    held = !held;
    mark(pause, "aria-pressed", held);
    say(pause, held ? "Go on" : "Pause");
    mark(document.body, "data-held", held ? "" : null);
    hold(held);
  }

  find.addEventListener("input", () => filter(find.value));
  pause.addEventListener("click", toggle);
  at("help").addEventListener("click", () => at("keys").showModal());

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target === find) {
      if (event.key === "Escape") {
        find.value = "";
        filter("");
        find.blur();
      }
      return;
    }
    const act = {
      j: () => step(1), k: () => step(-1), p: toggle, t: () => at("theme").click(),
      "/": () => find.focus(), "?": () => at("keys").showModal(),
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

export function themes(changed) {
  const button = at("theme");
  let theme = "auto";
  try {
    theme = localStorage.getItem("evenflow-theme") ?? "auto";
  } catch {
    // a browser that keeps nothing begins as the system says
  }
  if (!THEMES.includes(theme)) theme = "auto";

  function show() {
    mark(document.documentElement, "data-theme", theme === "auto" ? null : theme);
    say(button, theme[0].toUpperCase() + theme.slice(1));
    changed();
  }

  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("evenflow-theme", theme);
    } catch {
      // as above
    }
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}
