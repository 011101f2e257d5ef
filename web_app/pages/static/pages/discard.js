// The question before bytes that have arrived are given up: of all that can be done on this page, only this cannot be made good.

import { atStake } from "./messages.js";

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

/**
 * Asks in `dialog`. Resolves to whether the person means it; Escape, or any other way out of it, keeps everything.
 * It goes away by itself when `signal` aborts, as there is nothing left to be asked then.
 */
export function mayDiscard(dialog, text, signal) {
  const close = () => dialog.close();
  signal?.addEventListener("abort", close);
  dialog.querySelector("[data-part=text]").textContent = text;
  dialog.returnValue = "";
  dialog.addEventListener("click", ignoreSecond);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      signal?.removeEventListener("abort", close);
      resolve(dialog.returnValue === "discard");
    }, { once: true });
  });
}

/** The second click of two was meant for the button that opened the dialog. */
function ignoreSecond(event) {
  if (event.detail > 1) event.preventDefault();
}
