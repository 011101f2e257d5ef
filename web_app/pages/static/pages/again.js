// The question before a file is sent to a collection for a second time. Not by its name, which web_app does not know: what is stored has a
// size and a digest, and only a file of such a size is read for its own.

import { moment, titleOf } from "./format.js";
import { answerTo } from "./question.js";
import { t, tn } from "./text.js";
import { within } from "./wait.js";

const NAMED = 5;
const AT_ONCE = 100;                // sizes in one question
const PATIENCE_MS = 2000;           // an answer that is only nice to have
const READING_MS = 120000;          // of one file; who sends so much again has to be told by somebody else

/** Those of `files` that are to be sent; asks once about all that this person has stored in `collection` before. */
export async function askAboutRepeated(dialog, files, collection, { api, hasher }, tell) {
  const before = new Map();
  try {
    const known = await storedOf(files.map(({ size }) => size).filter((size) => size > 0), collection.slug, api);
    for (const file of files) {
      const alike = known.filter(({ size }) => size === file.size);
      if (alike.length === 0) continue;
      tell(t("Comparing {file} with what you have sent before…", { file: titleOf(file) }));
      const digest = await hasher.digestLong(file, () => {}, within(READING_MS));
      const same = alike.find(({ sha256 }) => sha256 === digest);
      if (same !== undefined) before.set(file, same);
    }
  } catch {
    // Nobody can say, or the file cannot be read, which sending it will tell.
  } finally {
    tell("");
  }
  if (before.size === 0) return files;
  dialog.querySelector("h2").textContent = tn(before.size, "Send this file again?", "Send {count} files again?");
  dialog.querySelector("[value=leave]").textContent = before.size === 1 ? t("Leave it out") : t("Leave them out");
  dialog.querySelector("[value=send]").textContent = t("Send again");
  const answer = await answerTo(dialog, `${listed(before)} ${t("What is stored stays as it is in either case.")}`);
  return answer === "send" ? files : files.filter((file) => !before.has(file));
}

/** Everything stored that has one of these sizes. */
async function storedOf(sizes, slug, api) {
  const asked = [...new Set(sizes)];
  const found = [];
  for (let at = 0; at < asked.length; at += AT_ONCE) {
    for (const { uploads } of await api.stored(slug, asked.slice(at, at + AT_ONCE), within(PATIENCE_MS))) found.push(...uploads);
  }
  return found;
}

function listed(before) {
  const named = [...before].slice(0, NAMED).map(([file, { completed_at: at }]) => (
    t("{file} was stored in this collection on {moment}, with the very same content.", { file: titleOf(file), moment: moment(new Date(at)) })));
  if (before.size > NAMED) named.push(tn(before.size - NAMED, "So was {count} more.", "So were {count} more."));
  return named.join(" ");
}
