// Keeps a page up to date: when the log has grown, the same page is fetched again, and the parts marked `data-live` that
// differ take the place of the old ones. Who reads, types or has opened something in a part keeps it until later.
"use strict";

const PAUSE_MS = 1000; // between two looks at the page
const RETRY_MS = 30000; // after the node refused a stream

const status = document.getElementById("live");
const own = document.querySelector("script[data-size]");
let shown = Number(own.dataset.size);
let source = null;
let pending = null;
let retry = null;

const html = window.trustedTypes
  ? window.trustedTypes.createPolicy("sahakar-live", { createHTML: (text) => text })
  : { createHTML: (text) => text };

function say(text, on) {
  status.hidden = false;
  status.classList.toggle("on", on);
  if (status.textContent !== text) status.textContent = text;
}

function isBusy(part) {
  const active = document.activeElement;
  const typing = part.contains(active) && /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName);
  const selection = document.getSelection();
  const selecting = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  return typing || selecting || Boolean(part.querySelector("form"));
}

function replace(part, fresh) {
  const active = document.activeElement;
  const href = part.contains(active) ? active.getAttribute("href") : null;
  const scrolled = Array.from(part.querySelectorAll(".wide"), (wide) => wide.scrollLeft);
  part.replaceWith(fresh);
  fresh.classList.add("changed");
  fresh.querySelectorAll(".wide").forEach((wide, index) => { wide.scrollLeft = scrolled[index] || 0; });
  if (href !== null) {
    const again = Array.from(fresh.querySelectorAll("a")).find((link) => link.getAttribute("href") === href);
    if (again) again.focus();
  }
}

async function refresh() {
  pending = null;
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const text = await answer.text();
  const page = new DOMParser().parseFromString(html.createHTML(text), "text/html");
  const size = page.querySelector("script[data-size]");
  let whole = true;
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    const now = part.cloneNode(true);
    now.classList.remove("changed");
    if (now.classList.length === 0 && !(fresh && fresh.hasAttribute("class"))) now.removeAttribute("class");
    if (!fresh || fresh.outerHTML === now.outerHTML) continue;
    if (isBusy(part)) whole = false;
    else replace(part, document.adoptNode(fresh));
  }
  if (size && whole) shown = Number(size.dataset.size);
}

function grew(event) {
  say("Live", true);
  if (Number(event.data) > shown && pending === null) {
    // Not all pages of a node at the same moment.
    pending = setTimeout(refresh, PAUSE_MS * (0.5 + Math.random() / 2));
  }
}

function open() {
  clearTimeout(retry);
  if (source || document.hidden) return;
  source = new EventSource("/events");
  source.addEventListener("entries", grew);
  source.addEventListener("error", () => {
    say("Not live", false);
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      retry = setTimeout(open, RETRY_MS);
    }
  });
}

function close() {
  if (source) source.close();
  source = null;
}

// A browser gives a node few connections: what nobody looks at has none.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
open();
