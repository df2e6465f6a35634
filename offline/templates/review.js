// The review page: shows a clip, takes the expert's keys, and sends every change at once.

import { KEYS, drawCurve, placeAt, placeOf } from "/curve.js";

const $ = (id) => document.getElementById(id);
const GLYPHS = { accept: "✓", reject: "✗", "": "○" };
const SAID = { accept: "accepted", reject: "rejected", "": "undecided" };
const AHEAD = 4; // pictures that are fetched at once

let review = null; // what /api/review says
let number = 0; // the clip that is open
let clip = null; // what /api/clips/{number} says
let answer = null; // what the expert says of it
let images = []; // one per frame, or null
let place = 0; // the frame that is shown
let chosen = ""; // the mark that the arrow keys move
let playing = 0, comparing = false, zoomed = true;
let opening = true; // a clip is being opened: `number` is its, `answer` still that of the one before
let busy = Promise.resolve(); // what the expert does, one after the other

// ---------------------------------------------------------------- talking to the server

async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Error("glimpse-offline review does not answer any more: start it again, then reload this page");
  }
  const data = await reply.json();
  if (!reply.ok) throw new Error(data.detail);
  return data;
}

const unsaved = new Map(); // number of a clip → answer that is not in the file yet
let saving = null;

function save() {
  unsaved.set(number, { ...answer });
  saving ??= sendAll().finally(() => { saving = null; });
  return saving;
}

async function sendAll() {
  while (unsaved.size) {
    const [which, what] = unsaved.entries().next().value;
    $("saved").textContent = "saving …";
    try {
      const options = { method: "PUT", body: JSON.stringify(what), keepalive: true };
      const reply = await ask(`/api/clips/${which}`, { ...options, headers: { "content-type": "application/json" } });
      if (unsaved.get(which) && same(unsaved.get(which), what)) unsaved.delete(which);
      review = reply;
      complain("");
      $("saved").textContent = "saved";
    } catch (error) {
      if (unsaved.get(which) && same(unsaved.get(which), what)) unsaved.delete(which);
      $("saved").textContent = "not saved";
      complain(`Not saved: ${error.message}`);
      if (which === number) await show(number, true); // what is in the file, not what was refused
    }
    showProgress();
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function complain(text) {
  $("problem").hidden = !text;
  if ($("problem").textContent !== text) $("problem").textContent = text;
}

function tell(text) {
  $("status").textContent = text;
}

// ---------------------------------------------------------------- clips

/** Open a clip; until it is there, nothing can be said of any. `quietly`: the one that is open, anew. */
async function show(which, quietly = false) {
  stop();
  number = which;
  if (!quietly) {
    comparing = false;
    setOpening(true);
    $("clip").textContent = `${which + 1} of ${review.clips.length} · ${review.clips[which].id}`;
    $("where").textContent = "opening …";
  }
  const found = await ask(`/api/clips/${which}`);
  if (which !== number) return; // another was asked for meanwhile
  setOpening(false);
  const other = !clip || clip.id !== found.id;
  clip = found;
  answer = unsaved.get(which) ?? found.answer;
  history.replaceState(null, "", `#${which + 1}`);
  if (other) {
    images = clip.pictures ? clip.pictures.index.map(() => null) : [];
    chosen = "";
    place = clip.pictures ? placeOf(clip.pictures.index, answer.apex ?? answer.onset) : 0;
    fetchPictures(which);
  }
  $("missing").hidden = !clip.problem;
  $("missing").textContent = clip.problem ?? "";
  $("picture").hidden = Boolean(clip.problem);
  $("motion").hidden = Boolean(clip.problem);
  $("frame").max = String(Math.max(images.length - 1, 0));
  fillLabels();
  $("comment").value = answer.comment;
  showAll();
  if (!quietly) tell(`clip ${which + 1} of ${review.clips.length}, ${SAID[answer.decision]}${clip.problem ? `; ${clip.problem}` : ""}`);
}

function setOpening(is) {
  opening = is;
  $("label").disabled = is;
  $("comment").disabled = is;
}

function fillLabels() {
  const names = [...review.labels];
  for (const extra of [clip.coded.label, answer.label]) if (!names.includes(extra)) names.push(extra);
  $("label").replaceChildren(...names.map((name) => new Option(name || "none", name)));
  $("label").value = answer.label;
  $("coded").textContent = clip.coded.label ? `was ${clip.coded.label}` : "was without a label";
}

async function fetchPictures(which) {
  const mine = images, indices = clip.pictures ? clip.pictures.index : [];
  const order = indices.map((_, at) => at).sort((a, b) => Math.abs(a - place) - Math.abs(b - place));
  const next = async () => {
    while (order.length && mine === images) {
      const at = order.shift();
      const image = new Image();
      image.src = `/api/clips/${which}/${indices[at]}`;
      try {
        await image.decode();
        mine[at] = image;
        if (mine === images && (at === place || comparing)) draw();
      } catch {
        if (mine === images) complain(`Frame ${indices[at]} could not be loaded.`);
      }
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, next));
  // the next clip is decoded while this one is looked at; a fault of it is shown when it is opened
  if (mine === images && which + 1 < review.clips.length) ask(`/api/clips/${which + 1}`).catch(() => {});
}

// ---------------------------------------------------------------- what is seen

function draw() {
  const canvas = $("picture"), pictures = clip && clip.pictures;
  if (!pictures) return;
  const shown = comparing ? placeOf(pictures.index, answer.onset) : place;
  const image = images[shown];
  const [width, height] = pictures.size;
  const [x, y, w, h] = zoomed && pictures.face ? pictures.face : [0, 0, 1, 1];
  const cut = [x * width, y * height, w * width, h * height].map(Math.round);
  const scale = Math.max(1, Math.min(3, 640 / cut[2]));
  const size = [Math.round(cut[2] * scale), Math.round(cut[3] * scale)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  if (!image) return;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, ...cut, 0, 0, ...size);
  canvas.setAttribute("aria-label", `${said(shown)}${comparing ? ", to compare with" : ""}`);
}

function said(at) {
  const { index, time_s: times } = clip.pictures;
  const names = KEYS.filter((name) => answer[name] === index[at]);
  return `frame ${index[at]}, ${times[at].toFixed(3)} s${names.length ? `, ${names.join(" and ")}` : ""}`;
}

function showAll() {
  const there = Boolean(clip.pictures);
  for (const id of ["back", "forth", "frame", "play", "compare", "zoom", "speed"]) $(id).disabled = !there;
  $("zoom").disabled = !there || !clip.pictures.face;
  $("compare").setAttribute("aria-pressed", String(comparing));
  $("zoom").setAttribute("aria-pressed", String(zoomed));
  for (const button of document.querySelectorAll("button.mark")) {
    const name = button.dataset.mark;
    button.disabled = !there && name !== "";
    button.setAttribute("aria-pressed", String(chosen === name));
    if (name) button.querySelector("output").textContent = markText(name);
  }
  for (const button of document.querySelectorAll("button.here")) button.disabled = !there;
  for (const button of document.querySelectorAll("button.verdict")) {
    button.setAttribute("aria-pressed", String(answer.decision === button.dataset.decision));
  }
  if (there) {
    $("frame").value = String(place);
    $("frame").setAttribute("aria-valuetext", said(place));
    $("where").textContent = comparing ? `onset, to compare with ${said(place)}` : said(place);
    $("curve").replaceChildren(drawCurve(clip.pictures, answer, clip.coded, place, chosen));
    draw();
  } else {
    $("where").textContent = "";
    $("curve").replaceChildren();
  }
  showProgress();
}

function markText(name) {
  if (answer[name] === null) return "not set";
  const moved = clip.coded[name] === null ? "" : answer[name] - clip.coded[name];
  return `${answer[name]}${moved ? ` (${moved > 0 ? "+" : "−"}${Math.abs(moved)})` : ""}`;
}

function showProgress() {
  const { accepted, rejected, open } = review.counts, all = accepted + rejected + open;
  $("title").textContent = `Review of ${review.title}`;
  $("about").textContent = `by ${review.rater} · every change goes to ${review.file} at once`;
  $("done").max = all;
  $("done").value = all - open;
  $("counts").textContent = `${all - open} of ${all} decided: ${accepted} accepted, ${rejected} rejected`;
  $("undo").disabled = !review.can_undo && !unsaved.size;
  $("previous").disabled = number === 0;
  $("next").disabled = number === review.clips.length - 1;
  $("open").disabled = !open;
  const list = $("clips");
  if (list.children.length !== review.clips.length) {
    list.replaceChildren(...review.clips.map((_, at) => {
      const entry = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.addEventListener("click", () => go(at));
      entry.append(button);
      return entry;
    }));
  }
  review.clips.forEach((about, at) => {
    const button = list.children[at].firstChild;
    const text = `${GLYPHS[about.decision]} ${at + 1} ${about.id}`;
    if (button.textContent !== text) button.textContent = text;
    button.setAttribute("aria-label", `${at + 1}, ${about.id}, ${SAID[about.decision]}`);
    if (at === number) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
}

// ---------------------------------------------------------------- what the expert does

/** Do something to the clip that is open, after what is being done; nothing while one is being opened. */
function act(work) {
  busy = busy.then(() => (opening ? undefined : work())).catch((error) => complain(error.message));
}

function change(part, text) {
  answer = { ...answer, ...part };
  save();
  showAll();
  if (text) tell(text);
}

/** Show another frame; the chosen mark goes along, as far as the others let it. */
function step(to) {
  if (!clip || !clip.pictures) return;
  let wanted = Math.min(Math.max(to, 0), images.length - 1);
  if (chosen) {
    wanted = within(chosen, wanted);
    place = wanted;
    setMark(chosen, wanted);
    return;
  }
  place = wanted;
  showAll();
}

function setMark(name, at) {
  const own = clip.pictures.index[at];
  if (answer[name] === own) showAll();
  else change({ [name]: own }, `${name} at ${said(at)}`);
}

/** The place nearest to `at` where a mark may stand: onset before offset, the apex not outside of both. */
function within(name, at) {
  const { index } = clip.pictures, near = (key) => placeOf(index, answer[key]);
  if (name === "onset") return Math.max(Math.min(at, near("offset") - 1, answer.apex === null ? Infinity : near("apex")), 0);
  if (name === "offset") return Math.min(Math.max(at, near("onset") + 1, answer.apex === null ? 0 : near("apex")), index.length - 1);
  return Math.min(Math.max(at, near("onset")), near("offset"));
}

function choose(name) {
  if (name && !(clip && clip.pictures)) return;
  stop();
  chosen = name;
  if (name && answer[name] !== null) place = placeOf(clip.pictures.index, answer[name]);
  showAll();
  if (!name) tell("no mark chosen: arrow keys only look");
  else tell(answer[name] === null ? `${name} is not set: arrow keys set it` : `${name} chosen, ${said(place)}`);
}

function setHere(name) {
  if (!clip || !clip.pictures) return;
  const at = within(name, place);
  if (at !== place) tell(`${name} cannot stand there: onset, apex and offset have an order`);
  place = at;
  setMark(name, at);
}

function decide(decision) {
  const next = answer.decision === decision ? "" : decision;
  if (next === "accept" && answer.apex === null) {
    complain("An accepted clip needs an apex: choose it with 2 and set it.");
    return;
  }
  change({ decision: next }, `${SAID[next]}`);
}

async function go(which) {
  if (which < 0 || which >= review.clips.length || which === number) return;
  const before = number;
  try {
    await busy; // what was said belongs to the clip that is open
    await show(which);
  } catch (error) {
    complain(error.message);
    if (number === which) number = before;
    setOpening(false);
  }
}

function nextOpen() {
  const all = review.clips.length;
  for (let on = 1; on <= all; on += 1) {
    const which = (number + on) % all;
    if (review.clips[which].decision === "" && which !== number) return go(which);
  }
  return tell("nothing else is undecided");
}

async function undo() {
  await saving;
  const reply = await ask("/api/undo", { method: "POST" });
  review = reply;
  if (reply.number === null) {
    tell("nothing to take back");
    return;
  }
  await show(reply.number, reply.number === number);
  tell(`taken back in clip ${reply.number + 1}, ${SAID[answer.decision]}`);
  $("saved").textContent = "taken back";
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  $("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (playing) return stop();
  if (!clip || !clip.pictures) return undefined;
  chosen = "";
  comparing = false;
  $("play").setAttribute("aria-pressed", "true");
  const times = clip.pictures.time_s, began = performance.now(), from = place === images.length - 1 ? 0 : place;
  const tick = (now) => {
    const at = times[from] + ((now - began) / 1000) * Number($("speed").value);
    let next = from;
    while (next < times.length - 1 && times[next + 1] <= at) next += 1;
    if (next !== place) { place = next; showAll(); }
    if (next === times.length - 1) stop();
    else playing = requestAnimationFrame(tick);
  };
  playing = requestAnimationFrame(tick);
  showAll();
  return undefined;
}

function compare() {
  comparing = !comparing;
  showAll();
  tell(comparing ? "the onset is shown, to compare with" : said(place));
}

function zoom() {
  zoomed = !zoomed;
  showAll();
}

// ---------------------------------------------------------------- keys and buttons

const MARK_KEYS = { 0: "", 1: "onset", 2: "apex", 3: "offset", o: "onset", a: "apex", f: "offset", Escape: "" };
const KEYS_GO = { n: () => go(number + 1), p: () => go(number - 1), j: () => nextOpen() };
const KEYS_DO = {
  ArrowLeft: (event) => step(place - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => step(place + (event.shiftKey ? 10 : 1)),
  y: () => decide("accept"),
  x: () => decide("reject"),
  u: () => undo(),
  c: () => clip.pictures && compare(),
  z: () => clip.pictures && clip.pictures.face && zoom(),
  l: () => $("label").focus(),
  m: () => $("comment").focus(),
  "?": () => { $("help").open = !$("help").open; },
};

document.addEventListener("keydown", (event) => {
  if (!clip || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const writing = event.target.matches("textarea, select");
  if (writing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const digit = /^(?:Digit|Numpad)([123])$/.exec(event.code);
  if (event.shiftKey && digit) {
    act(() => setHere(KEYS[Number(digit[1]) - 1]));
  } else if (event.key === " " && !event.target.matches("button, summary")) {
    act(play);
  } else if (Object.hasOwn(MARK_KEYS, event.key)) {
    act(() => choose(MARK_KEYS[event.key]));
  } else if (Object.hasOwn(KEYS_GO, event.key)) {
    KEYS_GO[event.key]();
  } else if (Object.hasOwn(KEYS_DO, event.key)) {
    act(() => KEYS_DO[event.key](event));
  } else {
    return;
  }
  event.preventDefault();
});

$("frame").addEventListener("input", () => act(() => step(Number($("frame").value))));
$("back").addEventListener("click", () => act(() => step(place - 1)));
$("forth").addEventListener("click", () => act(() => step(place + 1)));
$("previous").addEventListener("click", () => go(number - 1));
$("next").addEventListener("click", () => go(number + 1));
$("open").addEventListener("click", nextOpen);
$("undo").addEventListener("click", () => act(undo));
$("play").addEventListener("click", () => act(play));
$("compare").addEventListener("click", () => act(compare));
$("zoom").addEventListener("click", () => act(zoom));
$("label").addEventListener("change", () => change({ label: $("label").value }, `label ${$("label").value}`));
$("comment").addEventListener("input", () => change({ comment: $("comment").value }, ""));
for (const button of document.querySelectorAll("button.mark")) {
  button.addEventListener("click", () => act(() => choose(button.dataset.mark)));
}
for (const button of document.querySelectorAll("button.here")) {
  button.addEventListener("click", () => act(() => setHere(button.dataset.mark)));
}
for (const button of document.querySelectorAll("button.verdict")) {
  button.addEventListener("click", () => act(() => decide(button.dataset.decision)));
}
$("curve").addEventListener("pointerdown", (event) => {
  const box = $("curve").firstChild.getBoundingClientRect();
  const share = ((event.clientX - box.left) / box.width) * (628 / 600) - 14 / 600;
  act(() => step(placeAt(clip.pictures, share)));
});

async function start() {
  try {
    review = await ask("/api/review");
    const wanted = Number(location.hash.slice(1)) - 1;
    const first = Math.max(review.clips.findIndex((about) => about.decision === ""), 0);
    document.title = `glimpse · review of ${review.title}`;
    await show(wanted >= 0 && wanted < review.clips.length ? wanted : first);
  } catch (error) {
    complain(error.message);
  }
}

start();
