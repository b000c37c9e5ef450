// SPDX-License-Identifier: Apache-2.0
// The page: shows what the server sends (see view.py) and sends the commands of control.py.
//
// A frame is drawn only while a star moves and the page is visible; the still layer and the score are drawn at most once
// a second. Moments are in seconds of performance.now().
"use strict";

const $ = (id) => document.getElementById(id);
const now = () => performance.now() / 1000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// The colour of a voice, as in the terminal, and what it plays in the scenes `wind` and `night`.
const VOICES = {
  bell: ["255,184,90", "payments of lumens"], chime: ["200,170,250", "payments of other assets, claimable sums"],
  glass: ["250,220,170", "path payments"], pluck: ["110,190,230", "offers of lumens"],
  mallet: ["90,160,200", "offers of other assets"], swell: ["240,140,150", "new accounts"],
  flow: ["120,210,170", "pools, contracts"], hollow: ["190,130,130", "clawbacks"],
  murmur: ["130,145,185", "an idle network"], pad: ["120,130,220", "the chord"],
};
const LOWEST = 42, PITCHES = 46; // MIDI pitch at the bottom, and how many there are
const STAYS = 60; // s that a note stays in the sky
const SCORE = 180; // s of the score
const AHEAD = 1; // s of silence before the sound of /listen.mp3 (server.py)
const DETENT = { volume: 0.02, tempo: 1 / 72 }; // of a knob's travel, as in gestures.py
const SLEEP = [0, 30, 60, 90]; // min

let steer = false, plays = false, status = null;
let notes = []; // {at, x, y, ...}: of the last minutes, the oldest first
const stars = []; // notes that move
const stats = window.stellar = { frames: 0, stars: [] }; // for the tests: when each star began, and its pitch

// --- the sky ----------------------------------------------------------------------------------------------

const field = $("field").getContext("2d"), still = $("still").getContext("2d"), moving = $("moving").getContext("2d");
const paper = $("score").firstElementChild.getContext("2d");
let width = 0, height = 0, ratio = 1, frame = 0, dirty = [];
const glows = {};

function glow(colour) { // a star's light, drawn once for each colour
  if (!glows[colour]) {
    const canvas = document.createElement("canvas"), size = canvas.width = canvas.height = 64;
    const brush = canvas.getContext("2d"), light = brush.createRadialGradient(32, 32, 0, 32, 32, 32);
    light.addColorStop(0, colour === VOICES.pad[0] ? `rgba(${colour},.5)` : "rgba(255,252,244,1)");
    light.addColorStop(0.1, `rgba(${colour},${colour === VOICES.pad[0] ? 0.45 : 0.95})`);
    light.addColorStop(0.3, `rgba(${colour},.28)`);
    light.addColorStop(1, `rgba(${colour},0)`);
    brush.fillStyle = light;
    brush.fillRect(0, 0, size, size);
    glows[colour] = canvas;
  }
  return glows[colour];
}

function resize() {
  ratio = Math.min(devicePixelRatio || 1, 2);
  width = innerWidth; height = innerHeight;
  for (const brush of [field, still, moving]) {
    brush.canvas.width = width * ratio; brush.canvas.height = height * ratio;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  const box = paper.canvas.getBoundingClientRect();
  paper.canvas.width = box.width * ratio; paper.canvas.height = box.height * ratio;
  paper.setTransform(ratio, 0, 0, ratio, 0, 0);
  let seed = 7; // the same sky every time
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let count = clamp(width * height / 3000, 120, 500); count > 0; count--) {
    field.fillStyle = `rgba(226,230,255,${0.12 + random() ** 3 * 0.6})`;
    field.beginPath();
    field.arc(random() * width, random() * height, 0.35 + random() ** 6 * 1.1, 0, 7);
    field.fill();
  }
  dirty = [];
  drawStill(); drawScore();
}

function place(note) { // where a note is in the sky: its pan and its pitch
  const narrow = width < 821, top = narrow ? 170 : 90, bottom = height - (narrow ? 450 : 240);
  return [width * clamp(0.5 + 0.46 * note.pan + note.jitter, 0.03, 0.97) - note.dx / 2,
    bottom - (Math.max(bottom - top, 120)) * clamp((note.pitch - LOWEST) / PITCHES, 0, 1)];
}

function drawStill() {
  still.clearRect(0, 0, width, height);
  const time = now();
  still.globalCompositeOperation = "lighter";
  for (const note of notes) {
    const age = time - note.at, veil = note.voice === "pad";
    if (age > (veil ? note.length : STAYS)) continue;
    const [x, y] = place(note);
    if (veil) { // a tone of the chord: a wide veil that comes and goes
      still.globalAlpha = 0.5 * note.velocity * clamp(age / 5, 0, 1) * clamp((note.length - age) / 5, 0, 1);
      still.drawImage(glow(VOICES.pad[0]), x - 220, y - 44, 440, 88);
    } else if (!note.flies) {
      const size = (5 + 13 * note.velocity);
      still.globalAlpha = (0.3 + 0.6 * note.velocity) * (1 - age / STAYS) ** 1.5;
      still.drawImage(glow(note.colour), x + note.dx - size / 2, y + note.dy - size / 2, size, size);
    }
  }
  still.globalAlpha = 1; still.globalCompositeOperation = "source-over";
}

function drawStars() {
  frame = 0;
  stats.frames++;
  for (const [x, y, w, h] of dirty) moving.clearRect(x, y, w, h);
  dirty = [];
  const time = now();
  moving.globalCompositeOperation = "lighter";
  moving.lineCap = "round";
  for (let index = stars.length - 1; index >= 0; index--) {
    const star = stars[index], share = (time - star.began) / star.lasts;
    if (share >= 1) { // it stays, as a still star
      star.flies = false;
      stars.splice(index, 1);
      soon();
      continue;
    }
    const head = 1 - (1 - share) ** 2.2, tail = Math.max(0, head - 0.12 - 0.5 * (1 - share));
    const fade = Math.min(1, share * 14) * (1 - share ** 4 * 0.5), [x, y] = place(star);
    const hx = x + star.dx * head, hy = y + star.dy * head, tx = x + star.dx * tail, ty = y + star.dy * tail;
    const trail = moving.createLinearGradient(tx, ty, hx, hy), size = 10 + 26 * star.velocity;
    trail.addColorStop(0, `rgba(${star.colour},0)`);
    trail.addColorStop(1, `rgba(${star.colour},${0.25 + 0.65 * star.velocity})`);
    moving.globalAlpha = fade * (1 - share * share);
    moving.strokeStyle = trail;
    moving.lineWidth = 1 + 1.8 * star.velocity;
    moving.beginPath(); moving.moveTo(tx, ty); moving.lineTo(hx, hy); moving.stroke();
    moving.globalAlpha = fade * (0.35 + 0.65 * star.velocity);
    moving.drawImage(glow(star.colour), hx - size / 2, hy - size / 2, size, size);
    const edge = size / 2 + 2, left = Math.min(hx, tx) - edge, top = Math.min(hy, ty) - edge;
    dirty.push([left, top, Math.abs(hx - tx) + 2 * edge, Math.abs(hy - ty) + 2 * edge]);
  }
  moving.globalCompositeOperation = "source-over"; moving.globalAlpha = 1;
  animate();
}

function animate() {
  if (!frame && (stars.length || dirty.length) && !document.hidden) frame = requestAnimationFrame(drawStars);
}

function remembered(note, age) { // a note as it is kept here
  const [colour] = VOICES[note.voice] || VOICES.bell, flight = (90 + 110 * Math.min(note.length, 5)) * clamp(width / 1200, 0.45, 1);
  return { ...note, at: now() - age, colour, jitter: (Math.random() - 0.5) * 0.34,
    dx: -flight * 0.94, dy: flight * 0.3, flies: false };
}

function shoot(note) {
  if (note.voice === "drone") return;
  const star = remembered(note, 0);
  notes.push(star);
  if (document.hidden) forget(); // nothing is drawn, for days perhaps
  if (note.voice !== "pad") {
    stats.stars = [...stats.stars.slice(-99), [Date.now(), note.pitch]];
    if (!calm.matches && !document.hidden && stars.length < 200) {
      star.flies = true; star.began = now(); star.lasts = 0.9 + 0.45 * Math.min(note.length, 6);
      stars.push(star);
      animate();
    }
  }
  soon();
}

let waiting = 0;
function soon() { // draw the still layer and the score, once a second at most
  if (!waiting && !document.hidden) waiting = setTimeout(() => { waiting = 0; drawAll(); }, calm.matches ? 60 : 500);
}
function drawAll() { forget(); drawStill(); drawScore(); }

function forget() { // the notes that have left the score
  const time = now();
  notes = notes.filter((note) => time - note.at < SCORE + note.length);
}

function drawScore() {
  const wide = paper.canvas.width / ratio, high = paper.canvas.height / ratio, time = now();
  paper.clearRect(0, 0, wide, high);
  paper.fillStyle = "rgba(190,196,240,.10)";
  for (let minute = 1; minute < 3; minute++) paper.fillRect(wide * minute / 3, 0, 1, high);
  for (const note of notes) {
    const x = wide * (1 - (time - note.at) / SCORE), y = (high - 6) * (1 - clamp((note.pitch - LOWEST) / PITCHES, 0, 1)) + 3;
    const long = Math.max(2.5, Math.min(note.length, time - note.at) / SCORE * wide), pad = note.voice === "pad";
    paper.globalAlpha = (pad ? 0.28 : 0.3 + 0.7 * note.velocity) * clamp(x / wide + 0.25, 0.25, 1);
    paper.fillStyle = `rgb(${note.colour})`;
    paper.fillRect(x, y - (pad ? 1 : 1.5), long, pad ? 2 : 3);
  }
  paper.globalAlpha = 1;
}

function breathe() { // a ledger closed
  if (calm.matches || document.hidden) return;
  $("breath").animate([{ opacity: 0 }, { opacity: 0.85, offset: 0.3 }, { opacity: 0 }], { duration: 4800, easing: "ease-in-out" });
}

// --- what the box is --------------------------------------------------------------------------------------

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const lamps = [];
function buildCase() {
  const places = [33, 42, 51, 60, 69, 78].map((x) => [x, 8.9, 14.4, ""]).concat([[46.5, 33.4], [55.5, 36.4], [64.5, 33.4]].map(([x, below]) => [x, 28.2, below, "net"]));
  for (const [x, y, below, kind] of places) {
    const lamp = document.createElement("i"), label = document.createElement("span");
    lamp.className = label.className = kind;
    for (const [element, at] of [[lamp, y], [label, below]]) {
      element.style.setProperty("--x", x); element.style.setProperty("--y", at);
      $("lamps").append(element);
    }
    lamps.push([lamp, label]);
  }
  for (const [voice, [colour, what]] of Object.entries(VOICES)) {
    const item = document.createElement("li"), name = document.createElement("b"), kind = document.createElement("span");
    item.innerHTML = `<svg viewBox="0 0 20 10" aria-hidden="true"><path d="M1 8 16 3" stroke="rgb(${colour})" opacity=".5"/><circle cx="16" cy="3" r="2.6" fill="rgb(${colour})"/></svg>`;
    name.textContent = voice; kind.textContent = what;
    item.append(name, kind);
    $("voices").append(item);
  }
}

let ledger = null;
function describe() {
  document.body.classList.toggle("away", !plays);
  if (!plays || !status) {
    put($("state"), plays ? "Looking for the box …" : "No box plays at present; this page waits for it.");
    put($("facts"), "");
    return;
  }
  const sleeping = status.sleep ? `, asleep within ${status.sleep} min` : "";
  const muted = status.muted ? ", muted" : "";
  const piece = status.piece;
  put($("state"), piece ? `A piece plays: ${piece}${muted}${sleeping}` : status.playing ? `A file plays: ${status.playing}${muted}${sleeping}` : `${status.network}: ${status.state}${muted}${sleeping}`);
  const facts = [`${status.notes_a_minute} notes a minute`, `scene ${status.scene}`];
  if (status.delay !== null) facts.push(`${status.delay.toFixed(1)} s behind the network`);
  if (ledger && !piece) facts.push(`ledger ${ledger.sequence.toLocaleString("en")}, ${ledger.operations} operations`);
  if (!status.card) facts.push("no sound card");
  put($("facts"), facts.join("  ·  "));
  if ("mediaSession" in navigator && navigator.mediaSession.metadata.title !== (piece || "Stellar Wind")) {
    navigator.mediaSession.metadata = new MediaMetadata({ title: piece || "Stellar Wind", artist: piece ? "" : "the Stellar network" });
  }
}

function show(next) {
  status = next;
  const chosen = status.networks.indexOf(status.network);
  lamps.forEach(([, label], index) => put(label, index < 6 ? status.tones[index] || "" : status.networks[index - 6] || ""));
  put($("note"), steer ? "" : "This page only shows; page.steer lets it steer.");
  $("lamps").setAttribute("aria-label", `Lamps: ${status.shown || status.state}; network ${chosen + 1} of ${status.networks.length}`);
  $("mute").setAttribute("aria-pressed", status.muted);
  $("network").setAttribute("aria-label", `NETWORK: ${status.network}; press for the next`);
  put($("sleep"), status.sleep ? `sleep: ${status.sleep} min` : "sleep: off");
  turn("volume", status.volume);
  turn("tempo", status.turned);
  $("stop").parentElement.hidden = !steer || !status.piece;
  describe(); markCards();
}

function light(levels) {
  levels.forEach((level, index) => lamps[index][0].style.setProperty("--light", level));
}

// --- steering ---------------------------------------------------------------------------------------------

const knobs = { volume: { at: 0, held: false }, tempo: { at: 0, held: false } };
const tempo = (at) => 30 * 6 ** at; // beats a minute of a place of the knob, as in gestures.py

function draw(name) {
  const knob = $(name), { at } = knobs[name], value = name === "volume" ? Math.round(100 * at) : Math.round(tempo(at));
  const words = name === "volume" ? `${value} %` : `${value} bpm`;
  knob.style.setProperty("--turn", `${300 * at}deg`);
  knob.setAttribute("aria-valuenow", value);
  knob.setAttribute("aria-valuetext", words);
  put(knob.lastElementChild, words);
}

function turn(name, at) { // as the box says, unless a hand holds the knob here
  if (!knobs[name].held) { knobs[name].at = at; draw(name); }
}

let letGo = {};
function move(name, at) { // by hand
  if (!steer || !plays) return;
  const knob = knobs[name];
  knob.at = clamp(at, 0, 1); knob.held = true;
  draw(name);
  clearTimeout(letGo[name]);
  letGo[name] = setTimeout(() => { knob.held = false; }, 700); // until the box has followed
  if (!knob.timer) knob.timer = setTimeout(() => {
    knob.timer = 0;
    send({ do: "set", control: name, value: name === "volume" ? knob.at : clamp(tempo(knob.at), 30, 180) });
  }, 80);
}

function knobEvents(name) {
  const knob = $(name);
  let from = null;
  knob.addEventListener("pointerdown", (event) => {
    if (!steer) return;
    from = [event.clientX, event.clientY, knobs[name].at];
    knob.setPointerCapture(event.pointerId);
    knob.focus({ preventScroll: true });
  });
  knob.addEventListener("pointermove", (event) => { // up and right turn it up
    if (from) move(name, from[2] + (event.clientX - from[0] - event.clientY + from[1]) / 200);
  });
  for (const end of ["pointerup", "pointercancel"]) knob.addEventListener(end, () => { from = null; });
  knob.addEventListener("wheel", (event) => {
    if (!steer) return;
    event.preventDefault();
    move(name, knobs[name].at - Math.sign(event.deltaY) * DETENT[name]);
  }, { passive: false });
  knob.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }[event.key];
    const end = { Home: 0, End: 1 }[event.key];
    if (steps === undefined && end === undefined) return;
    event.preventDefault();
    move(name, end ?? knobs[name].at + steps * DETENT[name]);
  });
}

function allow() { // what can be steered
  for (const id of ["network", "mute", "sleep"]) $(id).disabled = !steer || !plays;
  for (const id of ["volume", "tempo"]) steer ? $(id).removeAttribute("aria-disabled") : $(id).setAttribute("aria-disabled", "true");
  $("keep").hidden = !steer;
  markCards();
}

$("network").onclick = () => send({ do: "press", button: "network" });
$("mute").onclick = () => send({ do: "press", button: "mute" });
$("sleep").onclick = () => {
  const left = status ? status.sleep : 0, next = SLEEP.find((minutes) => minutes > left) ?? 0;
  send({ do: "set", control: "sleep", value: next });
};

// --- keeping ----------------------------------------------------------------------------------------------

let wanted = "score";
for (const button of document.querySelectorAll("[data-keep]")) button.onclick = () => {
  wanted = button.dataset.keep;
  put($("note"), "Keeping the last half hour …");
  send({ do: "keep", format: wanted });
};

function kept(name) {
  const item = document.createElement("li"), endings = wanted === "score" ? ["score.gz"] : ["score.gz", wanted];
  item.append(`${name.slice(0, 10)} ${name.slice(11, 13)}:${name.slice(13, 15)} `);
  put($("note"), "");
  $("kept").prepend(item);
  for (const ending of endings) offer(item, `kept/${name}.${ending}`, ending, 400);
  while ($("kept").children.length > 6) $("kept").lastElementChild.remove();
}

async function offer(item, path, ending, tries) { // a link, once the file is made
  const waits = document.createElement("span");
  waits.textContent = ` ${ending} …`;
  item.append(waits);
  while (tries-- > 0 && item.isConnected) {
    const answer = await fetch(path, { method: "HEAD" }).catch(() => null);
    if (answer && answer.status === 200) { // 202: it is being made
      const link = document.createElement("a");
      link.href = path; link.download = ""; link.textContent = ending;
      waits.replaceWith(" ", link);
      return;
    }
    await new Promise((done) => setTimeout(done, 3000));
  }
  waits.remove();
}

// --- the pieces -------------------------------------------------------------------------------------------

const cards = new Map(); // by piece: its button, what it is, and its title as the box shows it
const coverless = new Set(); // covers that could not be fetched: they are tried again
let shelf = "", looking = 0;

async function look() { // while the room is open
  clearTimeout(looking);
  if (!$("room").open || document.hidden) return;
  const answer = await fetch("pieces.json").catch(() => null), found = answer && answer.ok ? await answer.json() : null;
  if (found && found.feeds) showPieces(found);
  else put($("sharing"), found ? found.error : "The box does not answer; this page tries again.");
  looking = setTimeout(look, 4000);
}

function showPieces(found) {
  const said = [`Seeding ${found.seeding} ${found.reach === "lan" ? "at home" : "on the internet"}`, `${found.peers} peers`, `${Math.round(found.up / 1000)} kB/s up`];
  if (found.searching) said.push(`searching for ${found.searching} more`);
  if (!found.feeds.length) said.push("no artist is followed yet");
  put($("sharing"), said.join("  ·  "));
  const now = JSON.stringify(found.feeds.map((feed) => [feed.artist, feed.count, feed.pieces.map((piece) => [piece.piece, piece.cover])]));
  if (now !== shelf) { shelf = now; buildShelf(found.feeds); }
  for (const feed of found.feeds) for (const piece of feed.pieces) cards.get(piece.piece).piece = piece;
  for (const image of coverless) image.src = image.src; // which fetches it again
  coverless.clear();
  markCards();
}

function buildShelf(feeds) {
  cards.clear(); coverless.clear();
  $("feeds").replaceChildren();
  for (const feed of feeds) {
    const head = document.createElement("h2"), count = document.createElement("small"), list = document.createElement("ul");
    head.textContent = feed.artist || "Unnamed";
    count.textContent = `${feed.own ? "this box · " : ""}${feed.pieces.length < feed.count ? `${feed.pieces.length} of ` : ""}${feed.count} ${feed.count === 1 ? "piece" : "pieces"}`;
    head.append(count);
    list.className = "cards";
    for (const piece of feed.pieces) list.append(card(piece, feed.artist));
    $("feeds").append(head, list);
  }
}

function card(piece, artist) {
  const item = document.createElement("li"), button = document.createElement("button"), cover = document.createElement("span");
  const title = document.createElement("b"), state = document.createElement("small");
  button.type = "button"; button.className = "card";
  button.style.setProperty("--hue", parseInt(piece.piece.slice(0, 4), 16) % 360); // of one without a cover
  if (piece.cover) {
    const image = document.createElement("img");
    image.loading = "lazy"; image.decoding = "async"; image.alt = "";
    image.onerror = () => coverless.add(image);
    image.src = `pieces/${piece.piece}.png`;
    cover.append(image);
  }
  title.textContent = piece.title;
  button.append(cover, title, state);
  button.onclick = () => { put($("note"), `Fetching ${piece.title} …`); send({ do: "play", piece: piece.piece }); };
  item.append(button);
  cards.set(piece.piece, { button, state, piece, full: artist ? `${piece.title}, ${artist}` : piece.title });
  return item;
}

function markCards() { // what of them changes
  for (const { button, state, piece, full } of cards.values()) {
    const sold = "amount" in piece, on = Boolean(status && status.piece === full);
    const price = sold ? `${piece.amount} ${piece.asset === "native" ? "XLM" : piece.asset.split(":")[0]}${piece.network === "public" ? "" : ` (${piece.network})`}` : "";
    const part = piece.progress > 0 && piece.progress < 1 ? `${Math.round(100 * piece.progress)} %` : "";
    const here = piece.here ? (piece.peers ? `seeded to ${piece.peers}` : "on the box") : part;
    put(state, on ? "plays now" : [price, here].filter(Boolean).join(" · ") || "not fetched yet");
    button.classList.toggle("plays", on);
    button.disabled = !steer || !plays || sold;
    button.setAttribute("aria-label", `${button.disabled ? "" : "Play "}${full}: ${state.textContent}`);
  }
}

$("stop").onclick = () => send({ do: "stop" });
$("room").addEventListener("toggle", look);

// --- listening along --------------------------------------------------------------------------------------

const audio = $("audio");
let listening = false, heardFrom = 0;

function listen(on) {
  listening = on;
  $("listen").setAttribute("aria-pressed", on);
  put($("listen"), on ? "Listening" : "Listen along");
  $("loudness").hidden = !on;
  if (on) {
    audio.src = `listen.mp3?${Date.now()}`; // a new request, not what an earlier one has buffered
    audio.volume = ($("loudness").lastElementChild.value / 100) ** 2;
    audio.play().catch((error) => error.name === "NotAllowedError" && listen(false));
  } else {
    audio.removeAttribute("src");
    audio.load();
  }
}
$("listen").onclick = () => listen(!listening);
$("loudness").lastElementChild.oninput = (event) => { audio.volume = (event.target.value / 100) ** 2; };
audio.addEventListener("loadedmetadata", () => { heardFrom = now(); });
for (const end of ["error", "ended"]) audio.addEventListener(end, () => {
  if (!listening) return;
  put($("note"), "The sound is interrupted, or four others listen; this page tries again.");
  setTimeout(() => listening && listen(true), 3000);
});
audio.addEventListener("playing", () => put($("note"), ""));
if ("mediaSession" in navigator) {
  navigator.mediaSession.metadata = new MediaMetadata({ title: "Stellar Wind", artist: "the Stellar network" });
}

function late() { // s from now until a note that the box plays now is heard in this browser
  if (!listening || audio.paused || !heardFrom || !status) return 0;
  return clamp(now() - heardFrom + AHEAD - status.latency - audio.currentTime, 0, 10);
}

// --- the connection ---------------------------------------------------------------------------------------

let socket = null;
function send(command) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command));
}

function take(message) {
  if (message.note) {
    const wait = late();
    wait > 0.05 ? setTimeout(shoot, 1000 * wait, message.note) : shoot(message.note);
  } else if (message.lamps) {
    light(message.lamps);
  } else if (message.status) {
    show(message.status);
  } else if (message.ledger) {
    ledger = message.ledger; describe(); breathe();
  } else if (message.hello) {
    steer = message.hello.steer;
    notes = message.hello.notes.map((note) => remembered(note, note.age));
    allow(); drawAll();
  } else if ("box" in message) {
    plays = message.box; allow(); describe();
    if (!plays) light(lamps.map(() => 0));
  } else if ("room" in message) {
    $("room").hidden = !message.room;
    if (!message.room) $("room").open = false;
  } else if (message.played) {
    put($("note"), "");
  } else if (message.kept) {
    kept(message.kept);
  } else if (message.error) {
    put($("note"), message.error);
  }
}

let pause = 1;
function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/events`);
  socket.onopen = () => { pause = 1; };
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = (event) => {
    plays = false; allow(); describe();
    put($("state"), event.code === 1013 ? "Eight others look already; this page waits for room." : "The box does not answer; this page tries again.");
    setTimeout(connect, 1000 * pause);
    pause = Math.min(10, pause * 1.5);
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    cancelAnimationFrame(frame); clearTimeout(waiting);
    frame = waiting = 0;
    for (const star of stars.splice(0)) star.flies = false;
  } else {
    moving.clearRect(0, 0, width, height);
    dirty = [];
    drawAll(); look();
  }
});
$("full").onclick = () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
if (!document.fullscreenEnabled) $("full").hidden = true;
const sheets = [$("keep"), $("room"), $("legend")];
for (const sheet of sheets) sheet.addEventListener("toggle", () => { // one at a time
  if (sheet.open) for (const other of sheets) if (other !== sheet) other.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const sheet of sheets) if (sheet.open) { sheet.open = false; sheet.firstElementChild.focus(); }
});
setInterval(soon, 1000); // the score moves on; soon() does nothing while the page is hidden
addEventListener("resize", resize);
buildCase();
knobEvents("volume"); knobEvents("tempo");
resize();
connect();
