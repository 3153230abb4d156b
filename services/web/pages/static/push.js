// Subscribes this browser to web push and sends the subscription by the page's own form.
"use strict";

const form = document.getElementById("push");
const supported = "serviceWorker" in navigator && "PushManager" in window && window.isSecureContext;

function bytesOf(key) {
  const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

async function subscribe() {
  const worker = await navigator.serviceWorker.register("/mis-canales/push_worker.js", { scope: "/mis-canales/" });
  const options = { userVisibleOnly: true, applicationServerKey: bytesOf(form.dataset.key) };
  const earlier = await worker.pushManager.getSubscription();
  if (earlier) await earlier.unsubscribe(); // it may be of another key
  return worker.pushManager.subscribe(options);
}

if (form && supported) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      form.elements.direccion.value = JSON.stringify(await subscribe());
      form.submit();
    } catch (error) {
      form.querySelector("[role=status]").textContent = form.dataset.failed;
    }
  });
}
