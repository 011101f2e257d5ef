// The question before bytes that have arrived are given up.

import { atStake } from "./messages.js";
import { answerTo } from "./question.js";

const WORTH_ASKING = 1 << 20;       // bytes; fewer are soon sent again

/** Whether a Transfer may be given up: asks when much of it has arrived. Not when it comes to its end meanwhile. */
export async function mayGiveUp(dialog, transfer) {
  if (transfer.kept < WORTH_ASKING) return true;
  const isOver = () => transfer.safe || (transfer.ended && !transfer.resumable);
  const over = new AbortController();
  const watch = () => isOver() && over.abort();
  transfer.addEventListener("change", watch);
  const meant = await mayDiscard(dialog, atStake(transfer), over.signal);
  transfer.removeEventListener("change", watch);
  return meant && !isOver();
}

/** Asks in `dialog`. Resolves to whether the person means it; any way out of it but one keeps everything. */
export async function mayDiscard(dialog, text, signal) {
  return (await answerTo(dialog, text, signal)) === "discard";
}
