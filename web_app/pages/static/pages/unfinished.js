// What this browser remembers of uploads that are not finished, so that they can go on after a reload or a crash: opaque ids,
// a size, and keyed hashes by which the same file is recognised. No name, and nothing that a name could be guessed from: the
// key never leaves the browser's own key store. Everything of an upload goes when it is stored or given up, and all on sign-out.

const DATABASE = "sluice";
const STORE = "unfinished";
const SAMPLE_BYTES = 2 ** 20;

export class Unfinished {
  #person;
  #writing = Promise.resolve();     // one after the other: what is forgotten must not be written afterwards

  /** `person`: the opaque id of who is signed in; what others left unfinished here is not shown. */
  constructor(person) {
    this.#person = person;
  }

  /** `ids`: {grantId, uploadId, collection}. Best effort: without it only a reload costs more. */
  keep(ids, file) {
    return this.#write(async () => {
      const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
      const record = { ...ids, person: this.#person, size: file.size, begun: Date.now(), key, ...await traits(file, key) };
      await inStore("readwrite", (store) => store.put(record));
    });
  }

  forget(uploadId) {
    return this.#write(async () => {
      if (!(await isThere())) return;
      await inStore("readwrite", (store) => store.delete(uploadId));
      if (await inStore("readonly", (store) => store.count()) === 0) await forgetEverything();
    });
  }

  /** All of this person's that no tab is sending: {grantId, uploadId, collection, size, begun, …}, oldest first. */
  async list() {
    await this.#writing;
    if (!(await isThere())) return [];
    const records = await inStore("readonly", (store) => store.getAll());
    const held = new Set((await navigator.locks.query()).held.map(({ name }) => name));
    return records
      .filter((record) => record.person === this.#person && !held.has(lockOf(record.uploadId)))
      .sort((a, b) => a.begun - b.begun);
  }

  /** Tells other tabs that this one is sending it, until the function that is returned is called or the page ends. */
  hold(uploadId) {
    let release;
    const released = new Promise((resolve) => { release = resolve; });
    navigator.locks.request(lockOf(uploadId), { ifAvailable: true }, () => released);
    return release;
  }

  #write(step) {
    this.#writing = this.#writing.then(step).catch(() => {});
    return this.#writing;
  }
}

/**
 * Which of `records` a file belongs to: {record, same}. `same` is false for another file of the same name and size, or the
 * same one changed since. null for none. Throws when the file cannot be read.
 */
export async function recognise(file, records) {
  let other = null;
  for (const record of records) {
    if (record.size !== file.size) continue;
    const found = await traits(file, record.key);
    if (!equal(found.name, record.name)) continue;
    if (equal(found.changed, record.changed) && equal(found.sample, record.sample)) return { record, same: true };
    other = { record, same: false };
  }
  return other;
}

export function forgetEverything() {
  return settled(indexedDB.deleteDatabase(DATABASE));
}

async function traits(file, key) {
  const sample = new Blob([file.slice(0, SAMPLE_BYTES), file.slice(-SAMPLE_BYTES)]);
  const [name, changed, content] = await Promise.all([
    keyed(key, "name", encode(`${file.size}/${file.name}`)),
    keyed(key, "changed", encode(String(file.lastModified))),
    keyed(key, "sample", await sample.arrayBuffer()),
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
