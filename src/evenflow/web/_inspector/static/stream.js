// The live stream: it comes back by itself, and is let go while nobody can see the page.

const HIDDEN_FOR = 30_000;

export function follow({ frame, state }) {
  let source = null;
  let leaving = 0;

  function open() {
    if (source) return;
    state("connecting");
    source = new EventSource("live");
    source.onmessage = (message) => {
      state("live");
      frame(JSON.parse(message.data));
    };
    source.onerror = () => {
      state("lost");
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 3_000);
      }
    };
  }

  function close() {
    source?.close();
    source = null;
    state("resting");
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(close, HIDDEN_FOR);
    else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
