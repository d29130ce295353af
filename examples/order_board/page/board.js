// The board: each event is applied once, in order, and what it changed is drawn.

const STAGES = ["placed", "packed", "shipped", "delivered"];
const SHOWN = 200; // cards in one column; beyond that only the count grows
const cards = new Map(); // order_id -> its card
const regionPicker = document.querySelector("#region");
const connection = document.querySelector("#connection");
const refused = document.querySelector("#refused");
let source;

function column(stage) {
  return document.querySelector(`[data-stage="${stage}"]`);
}

function say(state) {
  connection.dataset.state = state;
  connection.textContent = state;
}

function makeCard(order) {
  const card = document.createElement("li");
  const customer = document.createElement("strong");
  const detail = document.createElement("span");
  const next = document.createElement("button");
  card.dataset.order = order.order_id;
  customer.textContent = order.customer; // text, whatever a customer is called
  detail.textContent = `${order.region} · ${order.total}`;
  next.type = "button";
  next.addEventListener("click", () => move(order.order_id, card.dataset.next));
  card.append(customer, detail, next);
  return card;
}

function put(card, stage) {
  const from = card.closest("section");
  const to = column(stage);
  const next = STAGES[STAGES.indexOf(stage) + 1];
  const button = card.querySelector("button");
  card.dataset.next = next ?? "";
  button.hidden = next === undefined;
  button.textContent = next ?? "";
  const list = to.querySelector("ol");
  list.prepend(card);
  if (list.children.length > SHOWN) list.lastElementChild.hidden = true;
  card.hidden = false;
  for (const section of new Set([from, to])) {
    if (section) section.querySelector(".count").textContent = section.querySelector("ol").children.length;
  }
}

function placed(message) {
  const order = JSON.parse(message.data);
  const card = makeCard(order);
  cards.set(order.order_id, card);
  put(card, "placed");
}

function moved(message) {
  const { order_id, to } = JSON.parse(message.data);
  const card = cards.get(order_id);
  if (card) put(card, to);
}

function clear() {
  cards.clear();
  for (const stage of STAGES) {
    column(stage).querySelector("ol").replaceChildren();
    column(stage).querySelector(".count").textContent = "0";
  }
}

function listen() {
  source?.close();
  clear();
  const query = new URLSearchParams();
  const region = regionPicker.value;
  if (region) {
    query.set("where", JSON.stringify({ eq: ["region", region] }));
  }
  source = new EventSource(`orders/events?${query}`);
  source.addEventListener("open", () => say("live"));
  source.addEventListener("error", () => say(source.readyState === EventSource.CLOSED ? "ended" : "reconnecting"));
  source.addEventListener("board.order.placed", placed);
  source.addEventListener("board.order.moved", moved);
  // events are missing: the page begins again from the start
  source.addEventListener("evenflow.gap", listen);
}

async function send(path, body, headers = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error((await answer.json()).detail?.toString() ?? answer.statusText);
}

async function told(action) {
  try {
    await action();
    refused.textContent = "";
  } catch (error) {
    refused.textContent = error.message;
  }
}

function move(order, to) {
  return told(() => send(`orders/${order}/moves`, { to }));
}

document.querySelector("#place").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const form = submitted.target;
  const order = Object.fromEntries(new FormData(form));
  told(async () => {
    await send("orders", order, { "idempotency-key": crypto.randomUUID() });
    form.reset();
  });
});
regionPicker.addEventListener("change", listen);
listen();
