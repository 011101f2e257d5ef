// A folder as one file: a tar whose headers are made here and whose contents are the files themselves. Nothing is copied, and any part of it
// can be made again. Its bytes follow from the paths and the contents alone, so the same folder makes the same archive wherever it is chosen.
// What it looks like, and why: docs/adr/0037.

import { Problem } from "./problem.js";
import { Breather } from "./wait.js";

const BLOCK = 512;
const LONGEST_NAME = 100;           // bytes, in a plain header
const LARGEST_SIZE = 8 ** 11 - 1;   // the same
const LOOKED_AT_ONCE = 32;
// Files to a Blob, and these to the whole: of tens of thousands of parts at once Chromium makes one in seconds, in which the page stands still.
const SECTION = 32;

/** By it the services tier knows that the archive wants to be a folder, and holds it to that. */
const MARK = "sluice folder";

/** The archive of a folder. To whoever sends it, it is a File like any other. */
export class Archive extends File {
  #members;

  /** Of archiveOf(). `members`: [{path, file, size, changed, at}], `at` being where in the archive the file begins. */
  constructor(folder, members, parts, newest) {
    super(parts, `${folder}.tar`, { type: "application/x-tar", lastModified: newest });
    this.#members = members;
    /** What people call it, and how many files are in it, how many of them empty. */
    this.folder = folder;
    this.files = members.length;
    this.empty = members.filter(({ size }) => size === 0).length;
    /** What tells it from an archive of the same name, size and ends, without reading all of it. */
    this.index = new Blob(members.map(({ path, size, changed }) => `${path}\n${size} ${changed}\n`));
  }

  /** The path of the first file from byte `start` on that cannot be read any more as it was chosen; null where all can. */
  async unreadable(start = 0) {
    const members = this.#members.filter(({ at, size }) => at + size >= start);
    for (let next = 0; next < members.length; next += LOOKED_AT_ONCE) {
      const looked = members.slice(next, next + LOOKED_AT_ONCE);
      const fine = await Promise.all(looked.map(({ file }) => isReadable(file)));
      if (fine.includes(false)) return looked[fine.indexOf(false)].path;
    }
    return null;
  }
}

/**
 * An Archive of `files`: [{path, file}], every path beginning with the name of the folder. `tell(count)`: so many have been looked at.
 * It takes a while and lets the page draw meanwhile. Throws Problem `file_unreadable` with a `path`.
 */
export async function archiveOf(folder, files, tell = () => {}) {
  const breather = new Breather();
  const members = [];
  const sections = [];
  const parts = blocksOf("g", "pax_global_header", pax({ comment: MARK }));
  let at = parts.length * BLOCK;
  let newest = 0;
  for (const { path, file } of [...files].sort(byPath)) {
    file.slice(0, 0);       // only now Chromium looks at its size and date; what is done to it from here on is a change
    const { size, lastModified: changed } = file;
    // One that vanished looks as if it were empty.
    if (size === 0 && !await isReadable(file)) throw new Problem({ code: "file_unreadable", path });
    const headers = headersOf(path, size);
    at += headers.length * BLOCK;
    members.push({ path, file, size, changed, at });
    parts.push(...headers, file, new Uint8Array(padding(size)));
    at += size + padding(size);
    newest = Math.max(newest, changed);
    if (members.length % SECTION === 0) sections.push(new Blob(parts.splice(0)));
    if (await breather.rest()) tell(members.length);
  }
  return new Archive(folder, members, [...sections, ...parts, new Uint8Array(2 * BLOCK)], newest);
}

/** A last byte that is there, of the file as it was: Chromium compares the date, and what was cut in the same second has none. */
async function isReadable(file) {
  try {
    const end = file.size === 0 ? file : file.slice(-1);
    return (await end.arrayBuffer()).byteLength === end.size;
  } catch {
    return false;
  }
}

/** By UTF-16 code units: the same everywhere, whatever the language of the browser. */
function byPath({ path: one }, { path: other }) {
  return one < other ? -1 : Number(one > other);
}

// -- POSIX.1-2001, "pax Interchange Format" ------------------------------------------------------------------------------------------------

/** The blocks before a file's content. What a plain header cannot say stands in an extended one before it. */
export function headersOf(path, size) {
  const more = {};
  const plain = /^[\x20-\x7e]*$/.test(path) && path.length <= LONGEST_NAME;
  if (!plain) more.path = path;
  if (size > LARGEST_SIZE) more.size = size;
  // To a reader that knows no extended headers it has a name that leads nowhere.
  const header = headerOf("0", plain ? path : "long-name", size > LARGEST_SIZE ? 0 : size);
  return Object.keys(more).length === 0 ? [header] : [...blocksOf("x", "long-name.pax", pax(more)), header];
}

/** A header and its content, in whole blocks. */
function blocksOf(kind, name, content) {
  const blocks = [headerOf(kind, name, content.length)];
  for (let at = 0; at < content.length; at += BLOCK) {
    const block = new Uint8Array(BLOCK);
    block.set(content.subarray(at, at + BLOCK));
    blocks.push(block);
  }
  return blocks;
}

/** Nobody's, from no time, to be read by all: what else is known of a file here differs from computer to computer. */
function headerOf(kind, name, size) {
  const block = new Uint8Array(BLOCK);
  const put = (at, text) => block.set(encode(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(size, 11)}\0`);
  put(136, `${octal(0, 11)}\0`);
  put(148, "        ");         // for the sum itself
  put(156, kind);
  put(257, "ustar\x0000");
  put(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return block;
}

/** "LENGTH KEYWORD=VALUE\n" for each; the length counts itself. */
function pax(records) {
  const encoded = Object.entries(records).map(([keyword, value]) => {
    const rest = encode(` ${keyword}=${value}\n`);
    let length = rest.length;
    while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
    return [...encode(String(length)), ...rest];
  });
  return new Uint8Array(encoded.flat());
}

/** Bytes that fill up the last block of so many. */
function padding(size) {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function octal(number, digits) {
  return number.toString(8).padStart(digits, "0");
}

function encode(text) {
  return new TextEncoder().encode(text);
}
