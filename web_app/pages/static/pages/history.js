// The list of earlier uploads is rendered by the server; this puts its times into the reader's zone and fetches it anew.

import { exactMoment, moment } from "./format.js";
import { within } from "./wait.js";

const PATIENCE_MS = 30000;

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) showTime(element, element.dateTime);
}

export function showTime(element, iso) {
  const date = new Date(iso);
  element.dateTime = iso;
  element.textContent = moment(date);
  element.title = exactMoment(date);
}

let running = null;
let wanted = false;     // something was stored since the list was last asked for

/**
 * Replaces the page's list by the server's newest one, once `dress(body)` has put what web_app does not know into it. A failure changes nothing: the list is only a little older then.
 * However many files are stored at once, one request is under way and at most one more is to come.
 */
export function refreshHistory(section, dress = () => {}) {
  wanted = true;
  running ??= refresh(section, dress);
  return running;
}

async function refresh(section, dress) {
  while (wanted) {
    wanted = false;
    try {
      const page = await newest(section.dataset.refreshUrl);
      // The keyboard would lose its place on the page with the element that has it.
      while (section.contains(document.activeElement)) await focusMoves(section);
      await dress(page.body);
      show(section, page);
    } catch {
      // Offline: see above.
    }
  }
  running = null;
}

async function newest(url) {
  const response = await fetch(url, {
    credentials: "same-origin", cache: "no-store", redirect: "error", signal: within(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function focusMoves(section) {
  // Only then is it told where the focus went; it stays where it is when the whole window is left.
  return new Promise((resolve) => section.addEventListener("focusout", () => setTimeout(resolve), { once: true }));
}

function show(section, page) {
  const open = openRows(section);
  section.replaceChildren(...page.body.childNodes);
  for (const row of section.querySelectorAll("details[data-id]")) row.open = open.has(row.dataset.id);
  localTimes(section);
}

function openRows(section) {
  return new Set([...section.querySelectorAll("details[data-id][open]")].map((row) => row.dataset.id));
}
