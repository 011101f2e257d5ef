// A folder as it was chosen or dropped: which files are in it, and what stands against sending it. What is refused here would be refused by
// the services tier as well (services_app/uploads/content/folder.py), but only after all of it had travelled.

import { archiveOf } from "./archive.js";
import { count, displayName } from "./format.js";
import { t } from "./text.js";
import { Breather } from "./wait.js";

const MOST_FILES = 100000;
const MOST_PARTS = 32;              // of a path
const LONGEST_PATH = 1024;          // bytes
const LONGEST_PART = 255;

/** It cannot be sent. The message is for the person, and names what stands in the way. */
export class FolderRefused extends Error {}

/** [{name, files}] out of roots: each what a chooser for folders brought, an array, or a folder that was dropped. */
export function foldersIn(roots) {
  return roots.flatMap((root) => (Array.isArray(root) ? foldersOf(root) : [droppedFolder(root)]));
}

/** [{name, files}] out of what a chooser for folders brought; `files()` resolves to [{path, file}]. */
export function foldersOf(files) {
  const folders = new Map();
  for (const file of files) {
    const path = file.webkitRelativePath;
    const [name] = path.split("/", 1);
    if (!folders.has(name)) folders.set(name, []);
    folders.get(name).push({ path, file });
  }
  return [...folders].map(([name, found]) => ({ name, files: async () => found }));
}

/** The same of a folder that was dropped, a FileSystemDirectoryEntry. */
export function droppedFolder(entry) {
  return {
    name: entry.name,
    files: async () => {
      const found = [];
      await walk(entry, entry.name, found);
      return found;
    },
  };
}

/** The Archive of a folder. `tell(count)`: so many of its files have been looked at. Throws FolderRefused. */
export async function pack({ name, files }, tell) {
  const found = await files();
  if (found.length === 0) throw new FolderRefused(t("{folder} holds no file, so there is nothing to send.", { folder: displayName(name) }));
  checkCount(found.length, name);
  await checkPaths(found.map(({ path }) => path));
  try {
    return await archiveOf(name, found, tell);
  } catch (error) {
    if (error.code !== "file_unreadable") throw error;
    throw unreadable(error.path);
  }
}

async function walk(directory, path, found) {
  const reader = directory.createReader();
  for (;;) {
    // Some at a time; none when there are no more.
    const entries = await asked(path, (resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    const files = entries.filter(({ isFile }) => isFile);
    checkCount(found.length + files.length, path.split("/", 1)[0]);
    found.push(...await Promise.all(files.map(async (entry) => {
      const its = `${path}/${entry.name}`;
      return { path: its, file: await asked(its, (resolve, reject) => entry.file(resolve, reject)) };
    })));
    for (const entry of entries.filter(({ isDirectory }) => isDirectory)) {
      const its = `${path}/${entry.name}`;
      await checkPaths([its]);  // before going down: there may be no end to it
      await walk(entry, its, found);
    }
  }
}

async function asked(path, ask) {
  try {
    return await new Promise(ask);
  } catch {
    throw unreadable(path);
  }
}

function unreadable(path) {
  return new FolderRefused(t("{file} cannot be read, so nothing of its folder was sent. It may have been moved, or be open to others only.",
    { file: displayName(path) }));
}

function checkCount(files, name) {
  if (files <= MOST_FILES) return;
  throw new FolderRefused(t("{folder} holds more than {files}, the most that one upload takes. Send the folders in it one by one.",
    { folder: displayName(name), files: count(MOST_FILES) }));
}

/** Throws FolderRefused for paths that another computer could not take as they are. */
export async function checkPaths(paths) {
  const breather = new Breather();
  const seen = new Map();
  for (const path of paths) {
    const fault = faultOf(path);
    if (fault !== null) {
      throw new FolderRefused(t("{file} cannot be sent: {fault}. Nothing of its folder was sent.", { file: displayName(path), fault }));
    }
    // Many computers do not tell capitals from small letters.
    const folded = path.normalize("NFC").toLowerCase();
    if (seen.has(folded)) {
      throw new FolderRefused(t("{one} and {other} differ in capitals or accents only, and would become one file on many computers. Nothing of "
        + "their folder was sent: rename one of them.", { one: displayName(seen.get(folded)), other: displayName(path) }));
    }
    seen.set(folded, path);
    await breather.rest();
  }
}

function faultOf(path) {
  const parts = path.split("/");
  if (parts.length > MOST_PARTS) return t("it lies more than {most} folders deep", { most: MOST_PARTS });
  if (/\p{Surrogate}/u.test(path)) return t("its name is no proper text");
  if (/[\p{Cc}\\]/u.test(path)) return t("its name has a backslash or a control character in it");
  if (/^[A-Za-z]:/.test(path)) return t("its name begins like a drive");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return t("its name leads elsewhere");
  if (bytesOf(path) > LONGEST_PATH || parts.some((part) => bytesOf(part) > LONGEST_PART)) return t("its name, with its folders, is too long");
  return null;
}

function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}
