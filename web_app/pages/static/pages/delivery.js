// One file under one permission, from the offset where the services tier stands: begin, append, watch, and ask what has
// arrived when nobody said. It knows nothing of waiting and trying again: whatever goes wrong is thrown, and `attempt` goes on.

import { Pieces } from "./pieces.js";
import { NoAnswer, Problem } from "./problem.js";
import { FIRST_BYTES } from "./resource.js";
import { holdsWhatWasSent } from "./unfinished.js";
import { pause, unlessAborted } from "./wait.js";

const POLL_MS = 1000;
const SILENCE_MS = 15000;           // nothing new arrives: the line is dead, whatever the browser believes
const LONGEST_SILENCE_MS = 120000;  // on a line that proved to be that slow, and while everything is being verified
const DAMAGED_TRIES = 3;
const READING_MS = 1000;            // a disk that takes longer for a piece is what is waited for, not the line

/** The token, not the file, is at fault: a new one cures it. */
export const STALE_TOKEN = new Set(["token_start_by", "token_expired", "token_binding"]);
/** The upload will never take another byte. */
export const GONE = new Set(["superseded", "upload_expired", "upload_cancelled", "upload_gone", "upload_unknown", "grant_ended",
  "grant_revoked"]);

export class Delivery {
  #resource;
  #file;
  #hear;
  #renew;
  #hasher;
  #pieces;
  #sent;                            // what an earlier page sent of it, to be compared first
  #isOwn;                           // where it is stored, this page has sent the end of it
  #silence = SILENCE_MS;
  #damaged = 0;
  #offset = null;                   // null: has to be asked
  #unsure;                          // a request may have begun an upload, and we were not told

  /**
   * `hear(event, detail?)` is told "sending", "reading", "settling", "begun" (there is an upload now), "piece" (this one is about
   * to be sent), "comparing" (so many bytes agree), "kept" (so many are safe) and "taken" (so many have arrived).
   * `renew(signal)` gets a new token for the resource. `sent`: what this browser remembers of an upload that goes on.
   */
  constructor(resource, file, { hasher, hear, renew, sent = null }) {
    this.#resource = resource;
    this.#file = file;
    this.#hasher = hasher;
    this.#hear = hear;
    this.#renew = renew;
    this.#pieces = new Pieces(file, hasher);
    this.#sent = sent;
    this.#isOwn = sent === null;
    this.#unsure = false;
    this.kept = 0;
    this.mayBeStored = false;       // the last byte was sent, and nobody has said what became of it
  }

  get uploadId() {
    return this.#resource.uploadId;
  }

  /** The committed upload, as the services tier shows it. Throws Problem, NoAnswer or AbortError. */
  async attempt(signal) {
    if (this.#sent !== null) await this.#compare(signal);
    let stored = await this.#standing(signal);
    if (stored !== null) await this.#checkStored(stored, signal);
    this.#isOwn = true;
    while (stored === null) stored = await this.#append(signal);
    if (stored.length !== this.#file.size) throw new Problem({ code: "already_committed", status: 409 });
    this.#keep(stored.offset);
    this.mayBeStored = false;
    return stored;
  }

  /** What is true now, after everything that this page sent: the committed upload, or null. */
  async learnFate(signal) {
    if (this.uploadId === null && this.#unsure) await this.#adopt(signal);
    return this.uploadId === null ? null : this.#locate(signal);
  }

  async cancel(signal) {
    await this.#resource.cancel(signal);
  }

  /** The same as `attempt` answers, of an upload that web_app has the receipt of. Throws Problem `another_file`. */
  async storedBefore({ sha256, size, media_type, completed_at }, signal) {
    const stored = { sha256, length: size, media_type, durable_at: completed_at, receipt: null };
    await this.#checkStored(stored, signal);
    return stored;
  }

  /**
   * What is stored must be this very file, unless this page sent it: somebody else may have brought the end of it. Throws Problem
   * `another_file`.
   */
  async #checkStored({ sha256, length }, signal) {
    if (this.#isOwn) return;
    const tell = (bytes) => this.#hear("comparing", bytes);
    tell(0);
    const same = length === this.#file.size && (await this.#hasher.digestLong(this.#file, tell, signal)) === sha256;
    if (!same) throw new Problem({ code: "another_file" });
  }

  /** What was sent before must be of this very file, or two would be mixed. Throws Problem `another_file`. */
  async #compare(signal) {
    const digest = (part) => unlessAborted(this.#hasher.digest(part), signal);
    const tell = (bytes) => this.#hear("comparing", bytes);
    tell(0);
    const same = this.#sent.byDigest ? await this.#agrees(tell, signal) : await holdsWhatWasSent(this.#file, this.#sent, digest, tell);
    if (!same) throw new Problem({ code: "another_file" });
    this.#sent = null;
  }

  /** Whether the file begins with what has arrived. This browser does not know what that was: the services tier does. */
  async #agrees(tell, signal) {
    const upload = await this.#settled(signal);
    if (upload.length !== this.#file.size) return false;
    if (upload.offset === 0 || upload.state === "committed") return true;      // of what is stored all is compared (#checkStored)
    tell(0);
    return (await this.#hasher.digestLong(this.#file.slice(0, upload.offset), tell, signal)) === upload.sha256_of_offset;
  }

  /** What is read of the file, unless the person does not want to wait for it. */
  async #read(reading, signal) {
    const slow = setTimeout(() => this.#hear("reading"), READING_MS);
    try {
      return await unlessAborted(reading, signal);
    } finally {
      clearTimeout(slow);
    }
  }

  // -- begin -------------------------------------------------------------------------------------------------------

  async #standing(signal) {
    if (this.uploadId === null && this.#unsure) await this.#adopt(signal);
    if (this.uploadId === null) return this.#create(signal);
    return this.#offset === null ? this.#locate(signal) : null;
  }

  async #create(signal) {
    // A short file as it is and not a slice of it: one that vanished looks as if it were empty, and so would its slice.
    const first = this.#file.size > FIRST_BYTES ? this.#file.slice(0, FIRST_BYTES) : this.#file;
    const digest = await this.#read(this.#hasher.digest(first), signal);
    this.#unsure = true;
    this.mayBeStored = this.#file.size <= FIRST_BYTES;
    let stored;
    try {
      stored = await this.#resource.create(this.#file, first, digest, signal);
    } catch (error) {
      if (error instanceof Problem && error.status < 500) this.mayBeStored = false;
      throw error;
    }
    this.#hear("begun");
    if (stored === null) this.#keep(FIRST_BYTES);
    return stored;
  }

  /** The answer to `create` was lost: is there an upload? */
  async #adopt(signal) {
    this.#hear("settling");
    const { uploads } = await this.#resource.status(signal);
    const newest = uploads.at(-1);
    this.#unsure = false;
    if (newest === undefined || newest.state === "aborted" || newest.length !== this.#file.size) {
      this.mayBeStored = false;
      return;
    }
    this.#resource.uploadId = newest.upload_id;
    this.#hear("begun");
  }

  // -- ask ---------------------------------------------------------------------------------------------------------

  /** Learns the true offset: the committed upload, or null for one that waits for more. */
  async #locate(signal) {
    const upload = await this.#settled(signal);
    this.#keep(upload.offset);
    return upload.state === "committed" ? upload : null;
  }

  /** The upload when nothing runs there any more. One that is still running is waited for. */
  async #settled(signal) {
    this.#hear("settling");
    for (;;) {
      try {
        await this.#resource.settle(signal);
      } catch (error) {
        // HEAD says no reasons; the next question does.
        if (!(error instanceof NoAnswer) || error.status === 0) throw error;
      }
      const upload = await this.#resource.state(signal);
      if (upload.state === "committed") return upload;
      if (upload.state === "waiting") {
        this.mayBeStored = false;
        return upload;
      }
      if (upload.state === "aborted" || upload.state === "deleted") {
        this.mayBeStored = false;
        throw new Problem(upload.problem ?? { code: "upload_gone", status: 410 });
      }
      await pause(POLL_MS, signal);
    }
  }

  #keep(offset) {
    this.#offset = this.kept = offset;
    this.#hear("kept", offset);
  }

  // -- append ------------------------------------------------------------------------------------------------------

  /** The committed upload after the last piece, else null. */
  async #append(signal) {
    const piece = await this.#read(this.#pieces.from(this.#offset), signal);
    this.#pieces.ahead(piece.end);
    this.#hear("sending");
    this.#hear("piece", piece);
    this.#offset = null;
    this.mayBeStored = piece.final;
    const begun = performance.now();
    let stored;
    try {
      stored = await this.#send(piece, signal);
    } catch (error) {
      this.#pieces.broke();
      if (!(error instanceof Problem)) throw error;
      if (error.status < 500 && error.status !== 423) this.mayBeStored = false;
      if (error.code === "wrong_offset" && error.offset !== null) {
        this.#keep(error.offset);
        return null;
      }
      if (error.code !== "checksum_differs" || ++this.#damaged > DAMAGED_TRIES) throw error;
      return this.#locate(signal);
    }
    this.#damaged = 0;
    this.#silence = SILENCE_MS;
    this.#pieces.went(piece.end - piece.start, (performance.now() - begun) / 1000);
    if (stored === null) this.#keep(piece.end);
    return stored;
  }

  /** Ended by the answer, by the person, or by the watcher when nothing arrives any more. */
  async #send(piece, signal) {
    const request = new AbortController();
    const end = () => request.abort();
    signal.addEventListener("abort", end);
    const watching = new AbortController();
    this.#watch(piece, watching.signal, end);
    try {
      return await this.#resource.append(piece, request.signal);
    } catch (error) {
      if (error.name !== "AbortError" || signal.aborted) throw error;
      throw new NoAnswer(0, { cause: error });
    } finally {
      watching.abort();
      signal.removeEventListener("abort", end);
    }
  }

  /** Progress is what the services tier says it has taken, never what the browser has buffered. */
  async #watch(piece, signal, endRequest) {
    let [taken, moved] = [piece.start, performance.now()];
    try {
      for (;;) {
        await pause(POLL_MS, signal);
        const upload = await this.#glance(signal);
        // Less than before: the browser has sent it all again, over a new connection.
        if (upload?.state === "receiving" && upload.taken !== taken) {
          [taken, moved] = [upload.taken, performance.now()];
          this.#hear("taken", taken);
        }
        const through = upload !== null && ["committed", "aborted", "deleted"].includes(upload.state);
        const patience = taken === piece.end || upload?.state === "committing" ? LONGEST_SILENCE_MS : this.#silence;
        if (!through && performance.now() - moved < patience) continue;
        // Its answer is on the way, or lost: a receipt gets a moment to arrive.
        if (through) await pause(POLL_MS * 2, signal);
        else this.#silence = Math.min(this.#silence * 2, LONGEST_SILENCE_MS);
        endRequest();
        return;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      // The append has ended.
    }
  }

  /** The state, or null: a question that fails says nothing about the upload, and the next one may do better. */
  async #glance(signal) {
    try {
      return await this.#resource.state(signal);
    } catch (error) {
      if (error instanceof NoAnswer) return null;
      if (!(error instanceof Problem)) throw error;
      // A request that runs may end under the token that it began with; only we cannot see it any more.
      if (STALE_TOKEN.has(error.code)) await this.#renew(signal).catch(() => {});
      return null;
    }
  }
}
