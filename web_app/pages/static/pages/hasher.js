// The page's side of hash-worker.js, and of digest-worker.js.

import { NoAnswer, Problem } from "./problem.js";
import { unlessAborted } from "./wait.js";

export class Hasher {
  #url;
  #longUrl;
  #worker = null;
  #asked = new Map();       // number → {resolve, reject}
  #number = 0;

  constructor(workerUrl, longUrl) {
    [this.#url, this.#longUrl] = [workerUrl, longUrl];
    this.#worker = this.#start();       // now, while the server that the page came from is surely there
  }

  /** The SHA-256 of a Blob in base64. Throws Problem `file_unreadable` when the file changed or is gone. */
  digest(part) {
    this.#worker ??= this.#start();
    const number = this.#number++;
    const answer = new Promise((resolve, reject) => this.#asked.set(number, { resolve, reject }));
    // Hashed ahead of its need: a failure counts when somebody asks for the part.
    answer.catch(() => {});
    this.#worker.postMessage({ number, part });
    return answer;
  }

  /** See below. */
  digestLong(part, tell, signal) {
    return digestLong(this.#longUrl, part, tell, signal);
  }

  #start() {
    const worker = new Worker(this.#url, { type: "module" });
    worker.addEventListener("message", ({ data: { number, digest, fault } }) => {
      const { resolve, reject } = this.#asked.get(number);
      this.#asked.delete(number);
      if (fault === undefined) resolve(digest);
      else reject(new Problem({ code: "file_unreadable" }));
    });
    worker.addEventListener("error", ({ message }) => {
      this.#worker = null;
      // Without a message it could not be loaded, which passes.
      const error = message ? new Problem({ code: "page_fault" }) : new NoAnswer();
      for (const { reject } of this.#asked.values()) reject(error);
      this.#asked.clear();
    });
    return worker;
  }
}

/**
 * The SHA-256 in hex of a Blob of any length, in a worker of its own (digest-worker.js) so that nothing else waits for it. `tell(bytes)`:
 * so many have been read. Throws Problem `file_unreadable`, NoAnswer, or AbortError as soon as `signal` aborts.
 */
export async function digestLong(workerUrl, part, tell, signal) {
  const worker = new Worker(workerUrl, { type: "module" });
  try {
    return await unlessAborted(new Promise((resolve, reject) => {
      worker.addEventListener("message", ({ data: { done, digest, fault } }) => {
        if (done !== undefined) tell(done);
        else if (fault === undefined) resolve(digest);
        else reject(new Problem({ code: "file_unreadable" }));
      });
      worker.addEventListener("error", () => reject(new NoAnswer()));
      worker.postMessage(part);
    }), signal);
  } finally {
    worker.terminate();
  }
}
