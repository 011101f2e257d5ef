// One file under one permission: ask, send, watch, and find out what became of it. Resuming will change #put, the offset that
// it starts from, and nothing else.

import { NoAnswer, Problem } from "./problem.js";
import { backoff, pause } from "./wait.js";

const POLL_MS = 1000;
const OUTAGE_MS = 60000;            // how long an unreachable server is asked again before the person is

const UNDER_WAY = new Set(["receiving", "committing"]);

export class Delivery {
  #resource;
  #file;
  #hear;
  #ended = new Set();               // uploads of earlier tries: their offsets mean nothing now
  #oldRefusal = null;               // the problem code that was there before this try
  #current = null;                  // the upload that this try fills

  /** `hear(event, offset?)` is told "sending" and "resending" (from byte 0), "taken" (so many bytes) and "settling". */
  constructor(resource, file, hear) {
    this.#resource = resource;
    this.#file = file;
    this.#hear = hear;
    this.begun = false;             // a PUT was made, so its fate has to be asked before another
    this.undecided = false;         // and nobody has told us that fate yet
  }

  /** The committed upload, as the services tier shows it. Throws Problem (it said no), NoAnswer, or AbortError. */
  async attempt(signal) {
    if (this.begun) {
      const stored = await this.learnFate(signal);
      if (stored !== null) return stored;
    }
    await this.#resource.check(this.#file, signal);
    return this.#put(signal);
  }

  /**
   * What became of the last PUT: the committed upload, or null when nothing of it is stored and a fresh one may go ahead.
   * An upload that is still running is waited for. Throws NoAnswer when the server cannot be reached for a minute.
   */
  async learnFate(signal) {
    return (await this.#fate(signal)).stored;
  }

  async #put(signal) {
    this.begun = this.undecided = true;
    this.#current = null;
    this.#hear("sending");
    // Ended by the answer, by the person, or by the watcher when the services tier is already through with this upload.
    const request = new AbortController();
    const end = () => request.abort();
    signal.addEventListener("abort", end, { once: true });
    const watching = new AbortController();
    this.#watch(watching.signal, end);
    try {
      const stored = await this.#resource.put(this.#file, request.signal);
      this.#hear("taken", stored.offset);
      return stored;
    } catch (error) {
      if (error instanceof Problem && error.status < 500) this.undecided = false;
      if (signal.aborted || !isAboutTheLine(error)) throw error;
    } finally {
      watching.abort();
      signal.removeEventListener("abort", end);
    }
    // The answer was lost, or never came: chromium for one reports some early refusals as a bare network error.
    this.#hear("settling");
    const { stored, problem } = await this.#fate(signal);
    if (stored !== null) return stored;
    throw new Problem(problem ?? { code: "body_cut_off" });
  }

  /** Progress is what the services tier says it has taken, never what the browser has buffered. */
  async #watch(signal, endRequest) {
    try {
      for (;;) {
        await pause(POLL_MS, signal);
        const status = await this.#glance(signal);
        if (status === null) continue;
        const newest = this.#newest(status);
        if (newest !== null) this.#follow(newest);
        if (newest === null ? !this.#refusedNow(status) : UNDER_WAY.has(newest.state)) continue;
        // Its answer is on the way, or lost. A receipt gets a moment to arrive; then stop sending into the void.
        if (newest?.state === "committed") await pause(POLL_MS * 2, signal);
        endRequest();
        return;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      // The PUT has ended.
    }
  }

  /** Chromium repeats a PUT by itself when a kept connection breaks: then another upload begins from byte 0. */
  #follow(upload) {
    if (this.#current !== null && this.#current !== upload.upload_id) this.#hear("resending");
    this.#current = upload.upload_id;
    this.#hear("taken", upload.offset);
  }

  /** The state, or null: a poll that fails says nothing about the upload, and the next one may do better. */
  async #glance(signal) {
    try {
      return await this.#resource.status(signal);
    } catch (error) {
      if (error instanceof Problem || error instanceof NoAnswer) return null;
      throw error;
    }
  }

  /** Refused before an upload began: not by the refusal of an earlier try, which stays until one begins. */
  #refusedNow(status) {
    return status.problem !== null && status.problem.code !== this.#oldRefusal;
  }

  async #fate(signal) {
    for (;;) {
      const status = await this.#reachStatus(signal);
      const newest = this.#newest(status);
      if (newest !== null && UNDER_WAY.has(newest.state)) {
        this.#follow(newest);
        await pause(POLL_MS, signal);
        continue;
      }
      this.undecided = false;
      if (newest?.state === "committed") {
        // Only this page knows the permission; but a receipt for something else must never pass for this file's.
        if (newest.length !== this.#file.size) throw new Problem({ code: "already_committed", status: 409 });
        this.#hear("taken", newest.offset);
        return { stored: newest, problem: null };
      }
      for (const upload of status.uploads) this.#ended.add(upload.upload_id);
      this.#oldRefusal = status.problem?.code ?? null;
      return { stored: null, problem: status.problem };
    }
  }

  async #reachStatus(signal) {
    const since = performance.now();
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#resource.status(signal);
      } catch (error) {
        if (!(error instanceof NoAnswer) || performance.now() - since > OUTAGE_MS) throw error;
        await pause(backoff(failures, 8000), signal);
      }
    }
  }

  #newest(status) {
    const newest = status.uploads.at(-1);
    return newest && !this.#ended.has(newest.upload_id) ? newest : null;
  }
}

/** Or about an earlier try whose answer was lost: then the state tells more than the refusal. */
function isAboutTheLine(error) {
  return error instanceof NoAnswer || error.name === "AbortError" || error.code === "already_committed";
}
