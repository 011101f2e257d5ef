// The list of earlier uploads is rendered by the server; this puts its times into the reader's zone and fetches it anew.

import { exactMoment, moment } from "./format.js";

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) showTime(element, element.dateTime);
}

export function showTime(element, iso) {
  const date = new Date(iso);
  element.dateTime = iso;
  element.textContent = moment(date);
  element.title = exactMoment(date);
}

/** Replaces the list by the server's newest one. A failure changes nothing: the list is only a little older then. */
export async function refreshHistory(section) {
  try {
    const response = await fetch(section.dataset.refreshUrl, {
      credentials: "same-origin", cache: "no-store", redirect: "error",
    });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const open = openRows(section);
    section.replaceChildren(...page.body.childNodes);
    for (const row of section.querySelectorAll("details[data-id]")) row.open = open.has(row.dataset.id);
    localTimes(section);
  } catch {
    // Offline: see above.
  }
}

function openRows(section) {
  return new Set([...section.querySelectorAll("details[data-id][open]")].map((row) => row.dataset.id));
}
