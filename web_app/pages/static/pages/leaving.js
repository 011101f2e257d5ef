// What signing out costs, said before it is done.

import { answerTo } from "./question.js";
import { t, tn } from "./text.js";
import { Unfinished } from "./unfinished.js";

/** Asks where something is not finished. `here`: the upload ids of this page, null for what is not even begun. */
export async function mayLeave(person, here) {
  const left = await stillOpen(person, here).catch(() => 0);
  return left === 0 || isMeant(left);
}

/** In this page, and in others of this browser. */
async function stillOpen(person, here) {
  const records = await new Unfinished(person).list();
  const elsewhere = records.filter(({ uploadId, safe }) => !safe && !here.includes(uploadId));
  return here.length + elsewhere.length;
}

async function isMeant(left) {
  const dialog = document.getElementById("leaving");
  dialog.querySelector("[data-part=title]").textContent = tn(left, "{count} file is not finished. Sign out?",
    "{count} files are not finished. Sign out?");
  const answer = await answerTo(dialog, `${t("Sending stops here. What has arrived stays safe.")} ${tn(
    left,
    "Sign in again, on this computer or another, and choose the same file: it goes on where it stopped.",
    "Sign in again, on this computer or another, and choose the same files: they go on where they stopped.",
  )}`);
  return answer === "leave";
}
