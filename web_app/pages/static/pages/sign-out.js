// Signing out takes everything along that the page remembers of unfinished uploads in this browser.

import { forgetEverything } from "./unfinished.js";

const PATIENCE_MS = 2000;

document.querySelector("form[data-sign-out]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  // Another tab may be in the middle of a write: signing out does not wait for it for long.
  await Promise.race([forgetEverything().catch(() => {}), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  form.submit();
});
