// The question before bytes that have arrived are given up: of all that can be done on this page, only this cannot be made good.

/** Asks in `dialog`. Resolves to whether the person means it; Escape, or any other way out of it, keeps everything. */
export function mayDiscard(dialog, text) {
  dialog.querySelector("[data-part=text]").textContent = text;
  dialog.returnValue = "";
  dialog.addEventListener("click", ignoreSecond);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "discard"), { once: true });
  });
}

/** The second click of two was meant for the button that opened the dialog. */
function ignoreSecond(event) {
  if (event.detail > 1) event.preventDefault();
}
