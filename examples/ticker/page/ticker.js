// Every price changes one cell; the page is painted once a frame, however many came.

const KEPT = 300; // prices of a symbol that the chart can show
const RETRY = 2_000; // milliseconds before a lost connection is opened again
const symbols = new Map(); // symbol -> { cell, text, prices, up }
const changed = new Set();
const main = document.querySelector("#symbols");
const connection = document.querySelector("#connection");
const rate = document.querySelector("#rate");
const chart = document.querySelector("#chart");
const style = getComputedStyle(document.documentElement);
let picked = null;
let count = 0;

function say(state) {
  connection.dataset.state = state;
  connection.textContent = state;
}

function symbolOf(name) {
  const known = symbols.get(name);
  if (known) return known;
  const cell = document.createElement("button");
  const label = document.createElement("b");
  const text = document.createElement("span");
  label.textContent = name;
  cell.type = "button";
  cell.dataset.symbol = name;
  cell.append(label, text);
  cell.addEventListener("click", () => pick(name));
  const made = { cell, text, prices: [], up: true };
  symbols.set(name, made);
  const after = [...main.children].find((other) => other.dataset.symbol > name);
  main.insertBefore(cell, after ?? null);
  if (picked === null) pick(name);
  return made;
}

function pick(name) {
  if (picked !== null) symbols.get(picked).cell.removeAttribute("aria-pressed");
  picked = name;
  symbols.get(name)?.cell.setAttribute("aria-pressed", "true");
  changed.add(name);
}

function take({ symbol, price }) {
  const one = symbolOf(symbol);
  one.up = one.prices.length === 0 || price >= one.prices.at(-1);
  one.prices.push(price);
  if (one.prices.length > KEPT) one.prices.shift();
  changed.add(symbol);
  count += 1;
}

function draw(prices) {
  const scale = window.devicePixelRatio;
  const width = chart.clientWidth * scale;
  const height = chart.clientHeight * scale;
  if (chart.width !== width || chart.height !== height) [chart.width, chart.height] = [width, height];
  const pen = chart.getContext("2d");
  pen.clearRect(0, 0, width, height);
  const least = Math.min(...prices);
  const span = Math.max(...prices) - least || 1;
  const edge = 4 * scale;
  pen.lineWidth = 1.5 * scale;
  pen.lineJoin = "round";
  pen.strokeStyle = style.getPropertyValue("--accent");
  pen.beginPath();
  prices.forEach((price, index) => {
    const x = edge + ((width - 2 * edge) * index) / Math.max(1, prices.length - 1);
    const y = height - edge - ((height - 2 * edge) * (price - least)) / span;
    if (index) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  });
  pen.stroke();
}

function paint() {
  for (const name of changed) {
    const { cell, text, prices, up } = symbols.get(name);
    text.textContent = prices.at(-1).toFixed(2);
    cell.dataset.up = up;
  }
  if (picked !== null && changed.has(picked)) {
    const { prices } = symbols.get(picked);
    document.querySelector("#picked").textContent = picked;
    document.querySelector("#price").textContent = prices.at(-1).toFixed(2);
    draw(prices);
  }
  changed.clear();
  requestAnimationFrame(paint);
}

function listen() {
  const address = new URL("prices", location.href);
  const where = new URLSearchParams(location.search).get("where"); // the page's own: only some symbols
  if (where) address.searchParams.set("where", where);
  address.hash = ""; // a WebSocket's address may have none
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.addEventListener("open", () => say("live"));
  socket.addEventListener("message", (message) => {
    const { type, data } = JSON.parse(message.data);
    if (type === "Tick") take(data);
  });
  socket.addEventListener("close", () => {
    say("reconnecting");
    setTimeout(listen, RETRY * (0.5 + Math.random()));
  });
}

document.querySelector("#find").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toUpperCase();
  for (const [name, { cell }] of symbols) cell.hidden = !name.startsWith(wanted);
});
setInterval(() => {
  rate.textContent = count.toLocaleString();
  count = 0;
}, 1_000);
listen();
requestAnimationFrame(paint);
