// Says what matters of a Transfer aloud, once each: the start, every quarter, the result, and what went wrong.

import { percent, titleOf } from "./format.js";
import { describe } from "./messages.js";
import { t } from "./text.js";

const SPOKEN = new Set(["sending", "waiting", "paused", "stopped", "cancelled", "stored"]);

/** `isListed()`: whether it still has a row. */
export function speakOf(transfer, announce, isListed) {
  const name = titleOf(transfer.file);
  let [said, begun] = ["", 0];
  let quarter = 0;
  transfer.addEventListener("change", () => {
    const { state } = transfer;
    if (!SPOKEN.has(state) || !isListed()) return;
    const sentence = state === "sending" ? (begun++ === 0 ? t("upload started") : t("upload goes on")) : describe(transfer).title;
    if (sentence === said) return;      // waiting again for the same thing is no news
    said = sentence;
    announce(`${name}: ${sentence}.`);
  });
  transfer.addEventListener("progress", () => {
    const reached = Math.floor(percent(transfer.meter.offset, transfer.meter.total) / 25);
    if (reached <= quarter) return;
    quarter = reached;
    if (quarter < 4) announce(`${name}: ${t("{percent} percent", { percent: quarter * 25 })}.`);
  });
}
