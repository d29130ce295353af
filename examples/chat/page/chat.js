// One room of the chat. Names and texts of others are set as text, never as HTML.

const MOST = 500
const room = decodeURIComponent(location.hash.slice(1)) || "lobby"
const user = new URLSearchParams(location.search).get("user") ?? `guest ${Math.floor(Math.random() * 9000) + 1000}`
const things = document.querySelector("#things")
const state = document.querySelector("#state")
const input = document.querySelector("#text")
let last = ""      // the id of the last thing that was seen: whoever comes back goes on after it
let socket = null

document.querySelector("#room").textContent = room
window.addEventListener("hashchange", () => location.reload())

function show(type, thing) {
  const row = document.createElement("li")
  if (type === "Said") {
    const who = document.createElement("b")
    who.textContent = thing.user
    row.append(who, thing.text)
  } else {
    row.className = "note"
    row.textContent = type === "Came" ? `${thing.user} has come in` : type === "Went" ? `${thing.user} has left` : thing
  }
  const atEnd = things.scrollHeight - things.scrollTop - things.clientHeight < 40
  things.append(row)
  while (things.children.length > MOST) things.firstChild.remove()
  if (atEnd) row.scrollIntoView({ block: "end" })
}

function connect() {
  const query = new URLSearchParams({ user })
  if (last) query.set("lastEventId", last)
  const scheme = location.protocol === "https:" ? "wss" : "ws"
  socket = new WebSocket(`${scheme}://${location.host}/rooms/${encodeURIComponent(room)}?${query}`)
  socket.onopen = () => { state.textContent = `connected as ${user}` }
  socket.onmessage = (message) => {
    const { type, id, data } = JSON.parse(message.data)
    if (id !== null) last = id
    if (type === "evenflow.gap") show("note", "something is missing here")
    else if (type === "evenflow.error") show("note", "that could not be sent")
    else if (!type.startsWith("evenflow.")) show(type, data)
  }
  socket.onclose = ({ code, reason }) => {
    const wait = Number(/retry=(\d+)/.exec(reason)?.[1] ?? 1000 + 500 * Math.random()) // not all in one moment
    const isOver = [1000, 1008, 1009].includes(code)
    state.textContent = isOver ? `ended: ${reason || code}` : "connecting again"
    if (!isOver) setTimeout(connect, wait)
  }
}

document.querySelector("#form").addEventListener("submit", (event) => {
  event.preventDefault()
  if (socket?.readyState !== WebSocket.OPEN) return
  socket.send(JSON.stringify({ text: input.value }))
  input.value = ""
})

connect()
