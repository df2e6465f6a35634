// The live page: one WebSocket; a picture is asked for when the one before is shown.
import {Curves} from "/live_curves.js";
import {Events, said} from "/live_events.js";

const at = (id) => document.getElementById(id);
const RETRY_MS = 2000, NEWS = 20;
const TROUBLE = ["stalled", "reconnecting", "failed"];

const picture = at("picture"), curves = new Curves(at("curves")), events = new Events(at("events"), {});
let socket = null, camera = null, moment = null, cameras = [], paused = false, dragging = false, setting = false;
let held = [];
const wanted = new Map();  // camera → threshold that was set here and is not answered yet
const settled = new Map();  // camera → number of the change that was answered last: states from before it are old

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { settled.clear(); link("live"); look(); };
  socket.onmessage = ({data}) => {
    if (typeof data === "string") hear(JSON.parse(data)); else show(data);
  };
  socket.onclose = () => {
    link("no connection: the run is over, or the page has to be opened anew; trying again …", true);
    setTimeout(connect, RETRY_MS);
  };
}

function link(text, lost = false) {
  const line = at("link");
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("lost", lost);
}

// For who does not see the page; a line stays until a few more have come, so that none is lost.
function announce(text) {
  const line = document.createElement("span");
  line.textContent = `${text}. `;
  at("news").append(line);
  if (at("news").children.length > NEWS) at("news").firstChild.remove();
}

function tell(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// Nobody looks at a page that is paused or behind another: then no picture is made at all.
function look() {
  tell({camera: paused || document.hidden ? null : camera});
}

function hear(message) {
  if (message.type === "hello") {
    curves.setParts(message.parts, message.span_s);
    events.units = message.units;
  } else if (message.type === "state") {
    state(message);
  } else if (message.type === "moment") {
    moment = message;
  } else if (paused) {
    held.push(message);
    const waiting = held.filter(({type}) => type === "event").length;
    link(`paused; the cameras run on – ${waiting} ${waiting === 1 ? "event waits" : "events wait"}`);
  } else {
    event(message);
  }
}

function event(message) {
  if (message.type === "pictures") {
    events.picture(message);
  } else if (!events.has(message.record)) {
    events.add(message);
    at("none").hidden = true;
    if (message.fresh) announce(said(message.record));
    if (message.fresh && message.record.camera === camera) curves.mark(message.record);
  }
}

async function show(data) {
  const about = moment;
  try {
    const image = await createImageBitmap(new Blob([data], {type: "image/jpeg"}));
    if (about.camera === camera && !paused) {
      if (picture.width !== image.width || picture.height !== image.height) {
        picture.width = image.width;
        picture.height = image.height;
      }
      picture.getContext("2d").drawImage(image, 0, 0);
      curves.push(about);
      numbers(about);
    }
    image.close();
  } finally {
    tell({ready: true});
  }
}

function numbers(about) {
  const minutes = Math.floor(about.time_s / 60), seconds = (about.time_s % 60).toFixed(1).padStart(4, "0");
  at("time").textContent = `${minutes}:${seconds}`;
  at("fps").textContent = about.fps === null ? "–" : about.fps.toFixed(0);
  at("latency").textContent = about.latency_ms === null ? "–" : `${about.latency_ms.toFixed(0)} ms`;
  at("dropped").textContent = about.dropped;
  at("faces").textContent = about.faces;
  at("hidden").hidden = about.hidden_by === null;
  at("hidden").textContent = `not observable: ${about.hidden_by}`;
}

function state(message) {
  cameras = message.cameras;
  if (camera === null && cameras.length) choose(cameras[0].name);
  const list = at("cameras");
  while (list.children.length < cameras.length) list.append(button());
  cameras.forEach((about, i) => fill(list.children[i].firstChild, about));
  at("count").textContent = message.events ? `(${message.events})` : "";
  at("gone").hidden = !message.let_go;
  at("gone").textContent = `The oldest ${message.let_go} events are no longer kept; downloads begin after them.`;
  threshold();
}

function button() {
  const item = document.createElement("li"), made = document.createElement("button");
  made.type = "button";
  made.append(...["strong", "span", "span"].map((tag) => document.createElement(tag)));
  made.addEventListener("click", () => choose(made.dataset.name));
  item.append(made);
  return item;
}

function fill(made, about) {
  const trouble = TROUBLE.includes(about.state);
  made.dataset.name = about.name;
  made.setAttribute("aria-pressed", String(about.name === camera));
  made.parentNode.classList.toggle("trouble", trouble);
  const texts = [about.name, (trouble ? "⚠ " : "") + about.state,
    `${about.fps.toFixed(0)} of ${about.fps_in.toFixed(0)} frames/s, ${about.dropped} dropped`];
  texts.forEach((text, i) => {
    if (made.children[i].textContent !== text) made.children[i].textContent = text;
  });
}

function choose(name) {
  camera = name;
  curves.clear();
  curves.draw();
  picture.getContext("2d").clearRect(0, 0, picture.width, picture.height);
  picture.setAttribute("aria-label", `Picture of ${name} with the outline and the motion of the face`);
  for (const id of ["time", "fps", "latency", "dropped", "faces"]) at(id).textContent = "–";
  at("hidden").hidden = true;
  for (const made of document.querySelectorAll("#cameras button")) {
    made.setAttribute("aria-pressed", String(made.dataset.name === name));
  }
  threshold();
  look();
}

function threshold() {
  const about = cameras.find(({name}) => name === camera);
  if (!about || dragging || wanted.has(camera) || about.changes < settled.get(camera)) return;
  at("threshold").disabled = false;
  at("threshold").value = about.confidence;
  at("value").textContent = about.confidence.toFixed(2);
}

// One after the other, so that the last one holds.
async function setThresholds() {
  if (setting) return;
  setting = true;
  while (wanted.size) {
    const [name, value] = wanted.entries().next().value, changes = await setThreshold(name, value);
    if (changes !== null) settled.set(name, changes);
    if (wanted.get(name) !== value) continue;  // moved on meanwhile
    wanted.delete(name);
    const about = cameras.find((one) => one.name === name);
    if (changes !== null && about) Object.assign(about, {confidence: value, changes});
    announce(changes !== null ? `The threshold of ${name} is ${value.toFixed(2)}` : "The threshold could not be set");
    threshold();
  }
  setting = false;
}

async function setThreshold(name, value) {
  try {
    const answer = await fetch(`/api/cameras/${encodeURIComponent(name)}/confidence`, {
      method: "PUT", headers: {"content-type": "application/json"}, body: JSON.stringify({confidence: value}),
    });
    return answer.ok ? (await answer.json()).changes : null;
  } catch {
    return null;
  }
}

at("threshold").addEventListener("input", () => {
  dragging = true;
  at("value").textContent = Number(at("threshold").value).toFixed(2);
});
at("threshold").addEventListener("change", () => {
  dragging = false;
  wanted.set(camera, Number(at("threshold").value));
  setThresholds();
});
for (const end of ["pointerup", "blur"]) at("threshold").addEventListener(end, () => { dragging = false; });
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("pause").textContent = paused ? "Go on" : "Pause this page";
  link(paused ? "paused; the cameras run on" : "live");
  if (!paused) {
    held.forEach(event);
    held = [];
    curves.clear();
  }
  look();
});
document.addEventListener("visibilitychange", look);
connect();
