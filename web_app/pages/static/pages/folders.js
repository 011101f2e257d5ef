// Makes folders ready to be sent, and says on the page how that goes.

import { aboutFile, displayName, titleOf } from "./format.js";
import { FolderRefused, pack } from "./folder.js";
import { answerTo } from "./question.js";
import { t, tn } from "./text.js";

const MANY = 10000;         // so many files are seldom meant: say a whole home directory
const TOLD_EVERY_MS = 500;

export class Folders {
  #element;
  #notices;

  /** `element` shows what is going on. */
  constructor(element, notices) {
    [this.#element, this.#notices] = [element, notices];
  }

  /** The Archives of those that can be sent; what is said of the others stands in the notices. */
  async pack(folders) {
    const archives = [];
    for (const folder of folders) {
      try {
        archives.push(await pack(folder, this.#teller(folder)));
      } catch (error) {
        if (!(error instanceof FolderRefused)) throw error;
        this.#notices.say(error.message);
      } finally {
        this.show("");
      }
    }
    return archives;
  }

  /** What is done with files before they are sent. */
  show(text) {
    this.#element.textContent = text;
    this.#element.hidden = text === "";
  }

  #teller({ name }) {
    let toldAt = 0;
    const tell = (files) => {
      if (performance.now() - toldAt < TOLD_EVERY_MS) return;
      toldAt = performance.now();
      const folder = displayName(name);
      this.show(files === 0 ? t("Looking at the folder {folder}…", { folder })
        : tn(files, "Looking at the folder {folder}: {count} file so far…", "Looking at the folder {folder}: {count} files so far…", { folder }));
    };
    tell(0);
    return tell;
  }
}

/** Those of `files` that are to be sent: asks about every folder that may not be what was meant. */
export async function askAboutFolders(dialog, files) {
  const sent = [];
  for (const file of files) if (await isMeant(dialog, file)) sent.push(file);
  return sent;
}

async function isMeant(dialog, file) {
  const text = doubts(file);
  if (text === null) return true;
  dialog.querySelector("h2").textContent = t("Send this folder?");
  dialog.querySelector("[value=leave]").textContent = t("Leave it out");
  dialog.querySelector("[value=send]").textContent = t("Send it");
  return (await answerTo(dialog, text)) === "send";
}

/** What is asked about a folder; null where nothing is, as of any file. */
export function doubts(file) {
  if (file.folder === undefined || (file.files <= MANY && file.empty === 0)) return null;
  const empty = [
    t("A file that is kept in a cloud drive or is still being written can look empty."),
    t("If one of them should hold something, leave the folder out, open that file on this computer once, and choose the folder again."),
  ];
  return [`${titleOf(file)}: ${aboutFile(file)}.`, ...(file.empty === 0 ? [] : empty)].join(" ");
}
