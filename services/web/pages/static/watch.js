// Keeps a page that already works without it up to date: listens to the live stream, fetches again what changed, and
// says so when nothing comes any more. Everything shown is rendered by the server.

const FETCH_EVERY_MS = 2000;
const URGENT_EVERY_MS = 300; // what people do about an alert stands in every window within a second
const CHECK_EVERY_MS = 15000;
const LOST_AFTER_MS = 30000;
const RETRY_MS = 5000;
const TICK_MS = 1000;

const { pace: paceText, words: wordsText, after } = document.body.dataset;
const pace = Number(paceText) || 1;
const words = JSON.parse(wordsText);
const clock = document.getElementById("reloj");
const badge = document.getElementById("enlace");
const main = document.getElementById("contenido");
const title = document.title.replace(/^\(\d+\) /, "");

let serverNow = Number(clock.dataset.now);
let heardAt = performance.now();
const partNames = [...main.querySelectorAll(":scope > section[id]")].map((section) => section.id);
const dirty = new Set();
let urgent = false;
let fetching = false;
let fetchedAt = 0;

const now = () => serverNow + (performance.now() - heardAt) * pace;
let contactAt = performance.now();
let everHeard = false;
let deadParts = main.querySelector(".city")?.dataset.dead ?? "";

function fill(key, values) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return fill("s", { n: whole });
  if (whole < 3600) return fill("min", { n: Math.floor(whole / 60) });
  if (whole < 86400) return fill("h", { n: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
  return fill("d", { n: Math.floor(whole / 86400) });
}

function age() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const seconds = now() / 1000 - Number(time.dataset.at);
    const text = fill("ago", { span: span(seconds) });
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset.old) time.classList.toggle("old", seconds > Number(time.dataset.old));
  }
}

// A moment whose UTC fields read as the city's clock does.
function local(serverMs) {
  return new Date(serverMs + Number(clock.dataset.offset) * 1000);
}

function showClock() {
  const here = local(now());
  clock.textContent = `${here.getUTCDate()}/${here.getUTCMonth() + 1}/${here.getUTCFullYear()} ${here.toISOString().slice(11, 19)}`;
}

function showContact() {
  const silentMs = performance.now() - contactAt;
  const lost = silentMs > LOST_AFTER_MS;
  if (!everHeard && !lost) return; // the page as it came
  const outage = main.querySelector(".outage") !== null;
  const dead = main.querySelector(".fault") !== null;
  let text = outage ? words.no_data : dead ? words.dead : words.live;
  if (lost) {
    text = fill("lost_since", { at: local(now() - silentMs * pace).toISOString().slice(11, 16) });
  } else if (silentMs > CHECK_EVERY_MS + RETRY_MS) {
    text = fill("late", { span: span(silentMs / 1000) });
  }
  if (badge.textContent !== text) badge.textContent = text;
  badge.classList.toggle("lost", lost || outage || dead);
  badge.classList.toggle("live", !lost && !outage && !dead);
  document.body.classList.toggle("cut", lost);
}

function showTitle() {
  const alerts = document.querySelector("[data-unacknowledged]");
  if (!alerts) return;
  const waiting = Number(alerts.dataset.unacknowledged);
  document.title = waiting ? `(${waiting}) ${title}` : title;
}

// What a person is doing inside a part must survive its replacement: half-typed notes, focus, opened details.
function keep(part) {
  const typed = [...part.querySelectorAll("input[id], select[id]")].map((input) => [input.id, input.value]);
  const open = [...part.querySelectorAll("details[id][open]")].map((details) => details.id);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const selection = focused?.tagName === "INPUT" ? [focused.selectionStart, focused.selectionEnd] : null;
  const focusKey = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
  return () => {
    for (const [id, value] of typed) {
      const input = document.getElementById(id);
      if (input && value) input.value = value;
    }
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    const again = focusKey && main.querySelector(focusKey);
    if (!again) return;
    again.focus({ preventScroll: true });
    if (selection) again.setSelectionRange(...selection);
  };
}

function replace(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const section of parsed.querySelectorAll("body > section[id]")) {
    const old = document.getElementById(section.id);
    if (!old || old.innerHTML === section.innerHTML) continue;
    const restore = keep(old);
    old.replaceWith(section);
    restore();
  }
}

async function fetched(names) {
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  for (const name of names) address.searchParams.append("parte", name);
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(LOST_AFTER_MS) });
    return response.ok ? { html: await response.text(), at: Number(response.headers.get("X-Vigia-Now")) } : null;
  } catch {
    return null; // no line: the badge says so, and the parts stay due
  }
}

async function refresh() {
  const every = urgent ? URGENT_EVERY_MS : FETCH_EVERY_MS;
  if (fetching || !dirty.size || performance.now() - fetchedAt < every) return;
  fetching = true;
  urgent = false;
  const wanted = [...dirty];
  dirty.clear();
  const found = await fetched(wanted);
  fetching = false;
  fetchedAt = performance.now();
  if (!found) return mark(...wanted);
  replace(found.html);
  heard(found.at);
  showTitle();
  age();
  if (urgent) setTimeout(refresh, URGENT_EVERY_MS);
}

function heard(serverMs) {
  everHeard = true;
  contactAt = heardAt = performance.now();
  serverNow = serverMs;
}

// An answer in the list is sent without leaving the page: the view stays, and the focus goes to the next alert.
async function send(form) {
  let response;
  try {
    const body = new URLSearchParams(new FormData(form));
    response = await fetch(form.action, { method: "POST", body, redirect: "manual", signal: AbortSignal.timeout(LOST_AFTER_MS) });
  } catch {
    const said = form.querySelector("[role=alert]") ?? form.appendChild(document.createElement("strong"));
    said.setAttribute("role", "alert");
    said.textContent = words.not_sent;
    return;
  }
  if (response.type !== "opaqueredirect") return form.submit(); // refused: the server's page says why
  const next = form.elements.next?.value;
  mark(...partNames);
  const found = await fetched(["ciudad", "sucesos", "plano"]);
  if (found) replace(found.html);
  goTo(document.getElementById(`alerta-${next}`) ?? document.getElementById("sucesos"));
  showTitle();
}

function goTo(alert) {
  for (let fold = alert.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  alert.tabIndex = -1;
  alert.focus({ preventScroll: true });
  alert.scrollIntoView({ block: "nearest" });
}

main.addEventListener("submit", (event) => {
  if (!event.target.closest("#sucesos")) return;
  event.preventDefault();
  send(event.target);
});

// A link to an alert opens what it is folded into, also where the browser does not do so by itself.
addEventListener("hashchange", () => {
  const alert = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (alert?.closest("#sucesos")) goTo(alert);
});

const PARTS_OF_KIND = { river: ["sucesos", "suben", "plano", "estaciones"], rain: ["plano", "lluvia"], radar: ["plano"] };

function mark(...names) {
  for (const name of names) if (partNames.includes(name)) dirty.add(name);
}

function markNow(...names) {
  mark(...names);
  urgent = true;
  refresh();
}

const HANDLERS = {
  readings: ({ kind, readings }) => {
    mark("ciudad", ...(PARTS_OF_KIND[kind] ?? []));
    if (readings.some(({ station }) => location.pathname === `/estacion/${encodeURIComponent(station)}`)) mark("estacion");
  },
  transition: () => mark(...partNames),
  alert: () => markNow(...partNames),
  incident: () => markNow(...partNames),
  attention: () => mark("ciudad", "plano", "niveles"),
  declaration: () => mark("ciudad", "niveles"),
  call: () => mark("sucesos"),
  declaration_notice: () => mark("ciudad", "niveles"),
  device: () => mark("ciudad", "plano", "estacion"),
  // What happens in an exercise; its start and end change the head of every page.
  exercise: ({ what }) => {
    mark(...partNames);
    if ((what === "started" || what === "ended") && !document.activeElement?.closest("form")) location.reload();
  },
  resync: () => mark(...partNames),
  pulse: ({ at, connected, dead }) => {
    if (connected) heard(Date.parse(at));
    else contactAt = Math.min(contactAt, performance.now() - LOST_AFTER_MS); // the server lost its database
    if (String(dead) !== deadParts) mark(...partNames);
    deadParts = String(dead);
  },
};

function listen(position) {
  const address = position ? `/api/v1/live?after=${encodeURIComponent(position)}` : "/api/v1/live";
  const stream = new EventSource(address);
  let last = position;
  for (const [name, handle] of Object.entries(HANDLERS)) {
    stream.addEventListener(name, (event) => {
      last = event.lastEventId || last;
      handle(JSON.parse(event.data));
    });
  }
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return; // the browser comes back by itself, where it left off
    setTimeout(() => listen(last), RETRY_MS);
  });
}

function tick() {
  if (!document.hidden) age();
  showClock();
  showContact();
  refresh();
}

listen(after);
tick();
setInterval(tick, TICK_MS);
setInterval(() => mark(...partNames), CHECK_EVERY_MS);
