// What this browser remembers of uploads that are not finished, so that they can go on after a reload or a crash: opaque ids,
// a size, and keyed hashes by which the same file is recognised. No name, and nothing that a name could be guessed from: the
// key never leaves the browser's own key store. Everything of an upload goes when it is stored or given up, and all on sign-out.

const DATABASE = "sluice";
const STORE = "unfinished";
const SAMPLE_BYTES = 2 ** 20;
const LET_GO_MS = 500;              // whoever has just let go of it may still be about to

export class Unfinished {
  #person;
  #writing = Promise.resolve();     // one after the other: what is forgotten must not be written afterwards
  #signedOut = false;

  /** `person`: the opaque id of who is signed in; what others left unfinished here is not shown. */
  constructor(person) {
    this.#person = person;
    new BroadcastChannel(DATABASE).addEventListener("message", () => { this.#signedOut = true; });
  }

  /** The person has signed in again. After a sign-out, in whichever tab, nothing is written before that. */
  signedIn() {
    this.#signedOut = false;
  }

  /** `ids`: {grantId, uploadId, collection, byDigest?}. Best effort: without it only a reload costs more. */
  keep(ids, file) {
    return this.#write(async () => {
      if (this.#signedOut || await this.#knows(ids.uploadId)) return;
      const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
      const record = { ...ids, person: this.#person, size: file.size, folder: file.folder !== undefined, begun: Date.now(), key, ...await traits(file, key) };
      if (!this.#signedOut) await inStore("readwrite", (store) => store.put(record));
    });
  }

  /** The file is stored; only web_app has not heard of it yet. */
  markSafe(uploadId) {
    return this.#amend(uploadId, () => ({ safe: true }));
  }

  /** A part of the file is about to be sent: {start, end, digest}. What was to be sent from there on before is not. */
  notePiece(uploadId, { start, end, digest }) {
    return this.#amend(uploadId, async ({ key, pieces = [] }) => {
      const tag = await keyed(key, "piece", encode(digest));
      return { pieces: [...pieces.filter((piece) => piece.end <= start), { start, end, tag }] };
    });
  }

  forget(uploadId) {
    return this.#write(async () => {
      if (!(await isThere())) return;
      await inStore("readwrite", (store) => store.delete(uploadId));
      if (await inStore("readonly", (store) => store.count()) === 0) await forgetDatabase();
    });
  }

  /** All of this person's: {grantId, uploadId, collection, size, begun, safe, elsewhere, …}, oldest first. */
  async list() {
    await this.#writing;
    if (!(await isThere())) return [];
    const records = await inStore("readonly", (store) => store.getAll());
    const held = new Set((await navigator.locks.query()).held.map(({ name }) => name));
    return records
      .filter((record) => record.person === this.#person)
      .map((record) => ({ ...record, elsewhere: held.has(lockOf(record.uploadId)) }))
      .sort((a, b) => a.begun - b.begun);
  }

  /**
   * Tells other tabs that this one is sending it, until the function that is returned is called or the page ends. null: another
   * tab is.
   */
  hold(uploadId) {
    return new Promise((resolve) => {
      const patience = { signal: AbortSignal.timeout(LET_GO_MS) };
      const until = () => new Promise((release) => { resolve(release); });
      navigator.locks.request(lockOf(uploadId), patience, until).catch(() => resolve(null));
    });
  }

  #amend(uploadId, change) {
    return this.#write(async () => {
      if (!(await this.#knows(uploadId))) return;
      const record = await inStore("readonly", (store) => store.get(uploadId));
      const changed = { ...record, ...await change(record) };
      if (!this.#signedOut) await inStore("readwrite", (store) => store.put(changed));
    });
  }

  async #knows(uploadId) {
    return await isThere() && await inStore("readonly", (store) => store.count(uploadId)) > 0;
  }

  #write(step) {
    this.#writing = this.#writing.then(step).catch(() => {});
    return this.#writing;
  }
}

/**
 * Which of `records` a file belongs to: {record, same}. `same` is false for another file of the same name, or the same one
 * changed since. null for none. Throws when the file cannot be read.
 */
export async function recognise(file, records) {
  let other = null;
  for (const record of records) {
    if (!equal(await keyed(record.key, "name", encode(file.name)), record.name)) continue;
    const found = await traits(file, record.key);
    const same = record.size === file.size && equal(found.changed, record.changed) && equal(found.sample, record.sample);
    if (same) return { record, same };
    other = { record, same: false };
  }
  return other;
}

/**
 * Whether a file that was recognised still holds, to the last byte, what was sent of it before. `digest(part)`: the SHA-256 of a
 * Blob in base64. `tell(bytes)`: so many have been compared.
 */
export async function holdsWhatWasSent(file, { key, pieces = [] }, digest, tell) {
  for (const { start, end, tag } of pieces) {
    if (!equal(await keyed(key, "piece", encode(await digest(file.slice(start, end)))), tag)) return false;
    tell(end);
  }
  return true;
}

/** The first of `others` (each with a `file`) whose file is, as far as the page can tell in a moment, the same one; else null. */
export async function alike(file, others) {
  for (const other of others) {
    const { name, size, lastModified } = other.file;
    if (name !== file.name || size !== file.size || lastModified !== file.lastModified) continue;
    try {
      if (equal(await sampleOf(other.file), await sampleOf(file))) return other;
    } catch {
      // One of them cannot be read any more.
    }
  }
  return null;
}

/** On sign-out: whatever page is still open may not write it again. */
export function forgetEverything() {
  new BroadcastChannel(DATABASE).postMessage("signed out");
  return forgetDatabase();
}

function forgetDatabase() {
  return settled(indexedDB.deleteDatabase(DATABASE));
}

/** Its two ends; of an Archive also what tells it from another one with the same. */
function sampleOf(file) {
  return new Blob([file.slice(0, SAMPLE_BYTES), file.slice(-SAMPLE_BYTES), file.index ?? ""]).arrayBuffer();
}

async function traits(file, key) {
  const [name, changed, content] = await Promise.all([
    keyed(key, "name", encode(file.name)),
    keyed(key, "changed", encode(String(file.lastModified))),
    keyed(key, "sample", await sampleOf(file)),
  ]);
  return { name, changed, sample: content };
}

async function keyed(key, purpose, data) {
  const label = encode(`${purpose}\n`);
  const message = new Uint8Array(label.length + data.byteLength);
  message.set(label);
  message.set(new Uint8Array(data), label.length);
  return crypto.subtle.sign("HMAC", key, message);
}

function lockOf(uploadId) {
  return `upload ${uploadId}`;
}

function encode(text) {
  return new TextEncoder().encode(text);
}

function equal(a, b) {
  const [one, other] = [new Uint8Array(a), new Uint8Array(b)];
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

/** Asked first, since opening makes a database. */
async function isThere() {
  return (await indexedDB.databases()).some(({ name }) => name === DATABASE);
}

/** Opened for one step and closed again: another tab may delete it at any time. */
async function inStore(mode, step) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.addEventListener("upgradeneeded", () => opening.result.createObjectStore(STORE, { keyPath: "uploadId" }));
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const done = new Promise((resolve, reject) => {
      transaction.addEventListener("complete", resolve);
      transaction.addEventListener("abort", () => reject(transaction.error));
    });
    const result = await settled(step(transaction.objectStore(STORE)));
    await done;
    return result;
  } finally {
    database.close();
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}
