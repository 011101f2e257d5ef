// All files of the page in one line: how many are through, how far all of them are together, and the same in the title for whoever works
// in another tab. Numbers only: titles end up in the browser's history.

import { percent, sizeOf, timeLeft } from "./format.js";
import { t } from "./text.js";

const plain = document.title;
const bar = document.getElementById("total");
const text = document.getElementById("files-summary");
const cleared = { files: 0, bytes: 0 };

/** Nothing more will come of it, and nobody has to do anything. What failed is not among them. */
export function isFinished({ state }) {
  return state === "stored" || state === "cancelled";
}

export function isUnderWay(transfer) {
  return !transfer.safe && !transfer.ended && transfer.state !== "cancelling";
}

/** It can leave the list without anything being lost. */
export function isOver(transfer) {
  return transfer.ended && !transfer.resumable && transfer.problem?.code !== "sign_in_required";
}

/** It is about to leave the list. What was stored still counts, or all of it would seem to go backwards. */
export function countCleared({ state, file }) {
  if (state !== "stored") return;
  cleared.files += 1;
  cleared.bytes += file.size;
}

export function showSummary(transfers) {
  if (transfers.length === 0) [cleared.files, cleared.bytes] = [0, 0];
  const stored = cleared.files + transfers.filter(({ state }) => state === "stored").length;
  const all = cleared.files + transfers.length;
  const failed = transfers.filter(({ state }) => state === "stopped").length;
  const counted = transfers.filter((each) => each.safe || !each.ended);
  const total = counted.reduce((sum, each) => sum + each.file.size, cleared.bytes);
  const taken = counted.reduce((sum, each) => sum + (each.safe ? each.file.size : each.meter?.offset ?? 0), cleared.bytes);
  const moving = counted.some((each) => !each.safe);
  const several = moving && all > 1;
  const parts = [t("{stored} of {all} stored", { stored, all })];
  if (failed > 0) parts.push(t("{count} failed", { count: failed }));
  if (several) parts.push(`${sizeOf(taken, total)} (${percent(taken, total)} %)`, ...rest(counted, total - taken));
  text.textContent = parts.join(", ");
  [bar.hidden, bar.max, bar.value] = [!several, Math.max(1, total), taken];
  document.title = moving ? `${percent(taken, Math.max(1, total))} % · ${plain}` : plain;
}

/** How long all of it takes, at the speed of those that are being sent. */
function rest(transfers, left) {
  const now = performance.now();
  const speed = transfers.filter(({ state }) => state === "sending").reduce((sum, { meter }) => sum + (meter?.speed(now) ?? 0), 0);
  return speed > 0 ? [timeLeft(left / speed)] : [];
}
