// Signing out says first what it costs. Where that cannot be found out it signs out all the same: a shared computer must be left.

const PATIENCE_MS = 3000;       // for what asks the question, where it has not come yet

const form = document.getElementById("sign-out");
let ofPage = null;
let leaving = false;
let asking = false;

/**
 * Whoever leaves this page is asked first. `unfinished()`: the upload ids of what is not finished in it, null for what is not even begun.
 * Said again, the last one counts.
 */
export function guard(unfinished) {
  if (ofPage === null) {
    addEventListener("beforeunload", (event) => {
      if (ofPage().length > 0 && !leaving) event.preventDefault();
    });
  }
  ofPage = unfinished;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (asking) return;
  asking = true;
  try {
    leaving = await question().catch(() => true);
  } finally {
    asking = false;
  }
  if (leaving) form.submit();
});

async function question() {
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE_MS));
  const { mayLeave } = await Promise.race([import("./leaving.js"), late]);
  return mayLeave(form.dataset.person, ofPage?.() ?? []);
}
