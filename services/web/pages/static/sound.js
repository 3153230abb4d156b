// Sounds while alerts wait for an acknowledgement, or while the page is cut off: where the operator switched it on, in
// this browser, and tested it. Tones are made here; nothing is loaded.

const STORED = "vigia.sound";
const EVERY_MS = 4000;
const LOOK_MS = 500;
const RED = { hz: 880, tones: 3, tone_s: 0.18 };
const OTHER = { hz: 620, tones: 2, tone_s: 0.18 };
const CUT = { hz: 280, tones: 1, tone_s: 0.8 };
const GAP_S = 0.12;
const LOUDNESS = 0.4;

const box = document.getElementById("sonido");
const key = document.getElementById("sonido-llave");
const status = document.getElementById("sonido-estado");
const words = JSON.parse(box.dataset.words);
let on = stored() === "on";
let context = null;
let soundedAt = -EVERY_MS;

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // the browser keeps nothing for this page: the choice lasts until it is closed
  }
}

function store(value) {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    // as above
  }
}

// The browser lets a page sound once a person has touched it; before that the context waits.
function ready() {
  if (!context) {
    context = new AudioContext();
    context.addEventListener("statechange", show);
  }
  if (context.state !== "running") context.resume().catch(() => {});
  return context.state === "running";
}

function play({ hz, tones, tone_s }) {
  for (let number = 0; number < tones; number += 1) {
    const start = context.currentTime + 0.05 + number * (tone_s + GAP_S);
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hz;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
    volume.gain.setValueAtTime(LOUDNESS, start + tone_s - 0.02);
    volume.gain.linearRampToValueAtTime(0, start + tone_s);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + tone_s);
  }
}

// What must sound now; null where nothing waits.
function due() {
  if (document.body.classList.contains("cut")) return CUT;
  if (!Number(document.querySelector("[data-unacknowledged]")?.dataset.unacknowledged)) return null;
  return document.querySelector(".alert-rojo.unseen") ? RED : OTHER;
}

function say(text, blocked = false) {
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("blocked", blocked);
}

function show() {
  key.textContent = on ? words.off : words.on;
  if (on && context?.state !== "running") say(words.blocked, true);
  else say(on ? words.is_on : words.is_off);
}

function look() {
  if (!on) return;
  const pattern = due();
  if (context?.state !== "running") return;
  if (!pattern || performance.now() - soundedAt < EVERY_MS) return;
  soundedAt = performance.now();
  play(pattern);
}

key.addEventListener("click", () => {
  on = !on;
  store(on ? "on" : "off");
  soundedAt = -EVERY_MS;
  if (on) ready();
  show();
});

document.getElementById("sonido-prueba").addEventListener("click", async () => {
  ready();
  await context.resume();
  play(RED);
  say(words.tested);
});

for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, () => on && ready());

if ("AudioContext" in window) {
  if (on) ready();
  show();
  setInterval(look, LOOK_MS);
} else {
  key.disabled = true;
  say(words.missing, true);
}
box.hidden = false;
