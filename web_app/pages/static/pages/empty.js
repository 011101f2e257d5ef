// The question before empty files are sent. A file that a browser calls empty may only be on its way: kept in a cloud drive, or
// being written. Its receipt would be true, and of nothing.

import { displayName } from "./format.js";
import { answerTo } from "./question.js";
import { listed, t, tn } from "./text.js";

const NAMED = 5;        // of more the number is enough

/** Resolves to [the files to be sent, those left out]; asks once about all that are empty, if the collection takes such at all. */
export async function askAboutEmpty(dialog, files, { takesEmpty }) {
  const empty = files.filter(({ size }) => size === 0);
  if (empty.length === 0) return [files, []];
  const full = files.filter(({ size }) => size > 0);
  if (!takesEmpty) return [full, empty];
  const one = empty.length === 1;
  dialog.querySelector("h2").textContent = one ? t("This file is empty. Send it?")
    : full.length === 0 ? t("All {count} files are empty. Send them?", { count: empty.length })
      : t("{empty} of {count} files are empty. Send them?", { empty: empty.length, count: files.length });
  dialog.querySelector("[value=leave]").textContent = one ? t("Leave it out") : t("Leave them out");
  dialog.querySelector("[value=send]").textContent = one ? t("Send it empty") : t("Send them empty");
  const answer = await answerTo(dialog, [
    t("{files}: 0 bytes, as far as your browser can tell.", { files: named(empty) }),
    t("A file that is kept in a cloud drive or is still being written can look empty."),
    one ? t("If it should hold something, leave it out, open it on this computer once, and choose it again.")
      : t("If one of them should hold something, leave them out, open it on this computer once, and choose it again."),
  ].join(" "));
  return answer === "send" ? [files, []] : [full, empty];
}

/** What was chosen and not sent. */
export function leftOut(empty, { takesEmpty }) {
  const files = named(empty);
  if (takesEmpty) return tn(empty.length, "{files} is empty and was left out.", "{files} are empty and were left out.", { files });
  return tn(
    empty.length,
    "{files} is empty and was left out: this collection takes no empty file. If it should hold something, open it on this computer "
      + "once, and choose it again.",
    "{files} are empty and were left out: this collection takes no empty file. If one of them should hold something, open it on this "
      + "computer once, and choose it again.",
    { files },
  );
}

function named(files) {
  const names = files.slice(0, NAMED).map(({ name }) => displayName(name));
  if (files.length > NAMED) names.push(t("{count} more", { count: files.length - NAMED }));
  return listed(names);
}
