// The question before empty files are sent. A file that a browser calls empty may only be on its way: kept in a cloud drive, or
// being written. Its receipt would be true, and of nothing.

import { displayName } from "./format.js";
import { answerTo } from "./question.js";

const NAMED = 5;        // of more the number is enough

/** Resolves to [the files to be sent, those left out]; asks once about all that are empty, if the collection takes such at all. */
export async function askAboutEmpty(dialog, files, { takesEmpty }) {
  const empty = files.filter(({ size }) => size === 0);
  if (empty.length === 0) return [files, []];
  const full = files.filter(({ size }) => size > 0);
  if (!takesEmpty) return [full, empty];
  const one = empty.length === 1;
  dialog.querySelector("h2").textContent = one ? "This file is empty. Send it?"
    : `${full.length === 0 ? `All ${empty.length}` : `${empty.length} of ${files.length}`} files are empty. Send them?`;
  dialog.querySelector("[value=leave]").textContent = one ? "Leave it out" : "Leave them out";
  dialog.querySelector("[value=send]").textContent = one ? "Send it empty" : "Send them empty";
  const answer = await answerTo(dialog, `${listed(empty)}: 0 bytes, as far as your browser can tell. A file that is kept in a cloud `
    + `drive or is still being written can look empty. If ${one ? "it" : "one of them"} should hold something, leave ${one ? "it" : "them"} `
    + "out, open it on this computer once, and choose it again.");
  return answer === "send" ? [files, []] : [full, empty];
}

/** What was chosen and not sent. */
export function leftOut(empty, { takesEmpty }) {
  const one = empty.length === 1;
  const said = `${listed(empty)} ${one ? "is empty and was" : "are empty and were"} left out`;
  if (takesEmpty) return `${said}.`;
  return `${said}: this collection takes no empty file. If ${one ? "it" : "one of them"} should hold something, open it on this computer `
    + "once, and choose it again.";
}

function listed(files) {
  const names = files.slice(0, NAMED).map(({ name }) => displayName(name));
  if (files.length > NAMED) names.push(`${files.length - NAMED} more`);
  return [names.slice(0, -1).join(", "), names.at(-1)].filter((part) => part !== "").join(" and ");
}
