// Copy buttons: <button data-copy="text" data-copied-says="Key copied.">. One listener for all of them, also for those that come later.

import { t } from "./text.js";

const DONE_MS = 2000;

export function enableCopying(root, announce) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button === null) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      announce(t("The browser did not allow copying. Select the text instead."));
      return;
    }
    announce(button.dataset.copiedSays ?? t("Digest copied."));
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, DONE_MS);
  });
}
