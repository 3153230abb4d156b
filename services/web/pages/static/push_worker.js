// Shows a web push of Vigía, and opens its incident. A later notice of one incident replaces the earlier one.
"use strict";

self.addEventListener("push", (event) => {
  const notice = event.data ? event.data.json() : { title: "Vigía", text: "", tag: "vigia", url: null };
  const shown = { body: notice.text, tag: notice.tag, renotify: true, requireInteraction: true, data: notice.url };
  event.waitUntil(self.registration.showNotification(notice.title, shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  if (event.notification.data) event.waitUntil(self.clients.openWindow(event.notification.data));
});
