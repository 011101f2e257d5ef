// A question in a <dialog>, before something that cannot be made good.

/**
 * Resolves to the value of the button that was pressed, "" for Escape or any other way out of it.
 * It goes away by itself when `signal` aborts, as there is nothing left to be asked then.
 */
export function answerTo(dialog, text, signal) {
  const close = () => dialog.close();
  signal?.addEventListener("abort", close);
  dialog.querySelector("[data-part=text]").textContent = text;
  dialog.returnValue = "";
  dialog.addEventListener("click", ignoreSecond);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      signal?.removeEventListener("abort", close);
      resolve(dialog.returnValue);
    }, { once: true });
  });
}

/** The second click of two was meant for the button that opened the dialog. */
function ignoreSecond(event) {
  if (event.detail > 1) event.preventDefault();
}
