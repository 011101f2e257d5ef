// One file on its way: from "may I?" to a confirmed receipt. Decides what to ask next; resource.js and api.js do the
// asking, and row.js shows it. Resuming will replace #put and the offset that it starts from, and nothing else here.
//
//   queued → preparing → sending → [settling] → confirming → stored
//                 ↑          └────────┴──→ waiting (for Retry-After, then again)
//                 └── retry ── stopped (a refusal, a cut line, a signed-out session)
//   cancel leads from anywhere before `confirming` to cancelled, or to confirming if the file was already safe.

import { NoAnswer, Problem } from "./problem.js";
import { Meter } from "./rate.js";
import { UploadResource } from "./resource.js";
import { backoff, pause } from "./wait.js";

const POLL_MS = 1000;
const OUTAGE_MS = 60000;            // how long an unreachable server is asked again before the person is
const CANCEL_MS = 10000;            // how long cancelling waits to learn what became of the bytes
const RENEW_MS = 60000;             // a permission that was good for less is not asked for again
const DEFAULT_WAIT = 5;             // seconds, for a 423, 429 or 503 without Retry-After
// The token, not the file, is at fault: a new grant cures it.
const STALE_TOKEN = new Set(["token_start_by", "token_expired", "token_binding"]);

export class Transfer extends EventTarget {
  #api;
  #stop = null;                     // AbortController of what is running
  #resource = null;
  #grant = null;
  #grantedAt = 0;
  #dead = new Set();                // uploads of earlier tries under this grant: their offsets mean nothing now
  #sent = false;                    // a PUT was begun under this grant, so its fate has to be asked first
  #renewed = false;

  constructor(file, collection, api) {
    super();
    this.file = file;
    this.collection = collection;   // {slug, title, maxSize, types}
    this.#api = api;
    this.state = "queued";
    this.problem = null;            // why it is stopped or waiting
    this.until = 0;                 // performance.now() of the next try, while waiting
    this.meter = null;
    this.upload = null;             // the services tier's word on the committed file
    this.receiptUrl = null;
    this.lateCancel = false;        // cancelled when the file was already stored
  }

  /** Nothing more happens unless the person asks for it. */
  get ended() {
    return ["stopped", "cancelled", "stored"].includes(this.state);
  }

  get running() {
    return this.state !== "queued" && !this.ended;
  }

  /** The bytes are safe; only the web tier has not heard of it yet. */
  get safe() {
    return this.upload !== null;
  }

  /** Runs to an end that needs a person, or none: stored, stopped or cancelled. Never rejects. */
  async run() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    try {
      this.upload ??= await this.#deliver(signal);
      await this.#confirm(signal);
    } catch (error) {
      if (error.name === "AbortError") await this.#cancelled();
      else await this.#stopped(error);
    }
  }

  requeue() {
    this.#renewed = false;
    this.#become("queued");
  }

  cancel() {
    if (this.state === "queued" || this.state === "stopped") {
      this.#abandon();
      this.#become("cancelled");
    } else if (this.running && !this.safe) {
      this.#become("cancelling");
      this.#stop.abort();
    }
  }

  // -- to the services tier ----------------------------------------------------------------------------------------

  async #deliver(signal) {
    for (;;) {
      try {
        return await this.#attempt(signal);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (STALE_TOKEN.has(error.code)) {
          this.#renewPermission(error);
        } else if (error.passes) {
          await this.#waitFor(error, signal);
        } else {
          throw error;
        }
      }
    }
  }

  async #attempt(signal) {
    this.#become("preparing");
    if (this.#grant === null) {
      this.#grant = await this.#api.createGrant(this.collection.slug, this.file.size, signal);
      this.#grantedAt = performance.now();
      this.#resource = new UploadResource(this.#grant.upload_url);
    } else if (this.#sent) {
      const stored = await this.#learnFate(signal, { past: true });
      if (stored) return stored;
    }
    await this.#resource.check(this.file, signal);
    return this.#put(signal);
  }

  /** A fresh permission that is refused as stale cannot be cured by one more. */
  #renewPermission(refusal) {
    if (this.#sent) throw new Problem({ code: "fate_unknown" });
    if (this.#renewed && performance.now() - this.#grantedAt < RENEW_MS) throw refusal;
    this.#renewed = true;
    this.#abandon();
  }

  async #put(signal) {
    this.#sent = true;
    this.meter = new Meter(this.file.size, performance.now());
    this.#become("sending");
    // Ended by the answer, by the person, or by the watcher when the services tier is already through with this upload.
    const request = new AbortController();
    const end = () => request.abort();
    signal.addEventListener("abort", end, { once: true });
    const watching = new AbortController();
    this.#watch(watching.signal, end);
    try {
      const stored = await this.#resource.put(this.file, request.signal);
      this.#took(stored.offset);
      return stored;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof Problem && error.code !== "already_committed") throw error;
      if (!(error instanceof Problem || error instanceof NoAnswer || error.name === "AbortError")) throw error;
    } finally {
      watching.abort();
      signal.removeEventListener("abort", end);
    }
    const stored = await this.#learnFate(signal, { past: false });
    if (stored) return stored;
    // The services tier answers, and has nothing of this file.
    throw new Problem({ code: "body_cut_off" });
  }

  /** Progress is what the services tier says it has taken, never what the browser has buffered. */
  async #watch(signal, endRequest) {
    try {
      for (;;) {
        await pause(POLL_MS, signal);
        try {
          const newest = this.#newest(await this.#resource.status(signal));
          if (newest === null) continue;
          this.#took(newest.offset);
          if (!this.#isReceiving(newest)) {
            // Its answer is on the way, or lost. Give it a moment, then stop sending into the void.
            await pause(POLL_MS * 2, signal);
            endRequest();
            return;
          }
        } catch (error) {
          if (error.name === "AbortError") throw error;
          // A poll that fails says nothing about the upload: the next one may do better.
        }
      }
    } catch {
      // Aborted: the PUT has ended.
    }
  }

  /**
   * What became of an upload whose answer never came: the committed upload; null when a fresh PUT may go ahead; a thrown
   * Problem when the services tier refused it; NoAnswer when it cannot be reached.
   */
  async #learnFate(signal, { past }) {
    if (!past) this.#become("settling");
    let outage = null;
    for (let failures = 0; ;) {
      let status;
      try {
        status = await this.#resource.status(signal);
        outage = null;
        failures = 0;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        outage ??= performance.now();
        if (performance.now() - outage > OUTAGE_MS) throw error;
        await pause(backoff(failures, 8000), signal);
        failures += 1;
        continue;
      }
      const newest = this.#newest(status);
      if (newest?.state === "committed") {
        this.#took(newest.offset);
        return newest;
      }
      if (newest !== null && this.#isReceiving(newest)) {
        this.#took(newest.offset);
        await pause(POLL_MS, signal);
        continue;
      }
      for (const upload of status.uploads) this.#dead.add(upload.upload_id);
      // Before another try, yesterday's refusal is history; after this one, it is the reason.
      if (!past && status.problem !== null) throw new Problem(status.problem);
      return null;
    }
  }

  #newest(status) {
    const newest = status.uploads.at(-1);
    return newest && !this.#dead.has(newest.upload_id) ? newest : null;
  }

  #isReceiving(upload) {
    return upload.state === "receiving" || upload.state === "committing";
  }

  #took(offset) {
    this.meter?.taken(offset, performance.now());
    this.dispatchEvent(new Event("progress"));
  }

  // -- to web_app --------------------------------------------------------------------------------------------------

  /** The file is stored and the receipt in hand. Until web_app has it too, reconcile on the server heals what we cannot. */
  async #confirm(signal) {
    this.#become("confirming");
    for (let failures = 0; ; failures += 1) {
      try {
        const grant = await this.#api.postReceipt(this.upload.receipt, signal);
        this.receiptUrl = grant.receipt_url;
        this.#become("stored");
        return;
      } catch (error) {
        if (error instanceof NoAnswer || (error instanceof Problem && (error.passes || error.status >= 500))) {
          await pause(backoff(failures, 30000), signal);
        } else {
          throw error;
        }
      }
    }
  }

  // -- ends --------------------------------------------------------------------------------------------------------

  async #waitFor(problem, signal) {
    const seconds = Math.max(1, problem.retryAfter ?? DEFAULT_WAIT);
    this.until = performance.now() + seconds * 1000;
    this.#become("waiting", problem);
    await pause(seconds * 1000, signal);
  }

  async #stopped(error) {
    const problem = await this.#reason(error);
    // Nothing was sent under it, so another try may as well ask for a new permission.
    if (!this.#sent) this.#abandon();
    // Its fate cannot be asked with this token any more.
    if (problem.code === "fate_unknown") this.#forgetGrant();
    this.#become("stopped", problem);
  }

  /** The person gave it up; the file may have been stored a moment before all the same, and then that is what is true. */
  async #cancelled() {
    if (this.#sent) {
      try {
        this.upload = await this.#learnFate(AbortSignal.timeout(CANCEL_MS), { past: true });
      } catch {
        // Refused, unreachable or still undecided: then the grant is given up as it is.
      }
      if (this.upload) {
        this.lateCancel = true;
        await this.run();
        return;
      }
    }
    this.#abandon();
    this.#become("cancelled");
  }

  /** Best effort: a grant that is not given up runs out by itself. */
  #abandon() {
    if (this.#grant !== null) this.#api.giveUp(this.#grant.id).catch(() => {});
    this.#forgetGrant();
  }

  #forgetGrant() {
    this.#grant = null;
    this.#resource = null;
    this.#sent = false;
    this.#dead.clear();
  }

  /** A file that changed or vanished after it was chosen looks like a cut line, so ask the file first. */
  async #reason(error) {
    if (error instanceof NoAnswer || error.code === "body_cut_off") {
      try {
        await this.file.slice(0, 1).arrayBuffer();
      } catch {
        return new Problem({ code: "file_unreadable" });
      }
      return error instanceof Problem ? error : new Problem({ code: this.#sent ? "connection_lost" : "unreachable" });
    }
    return error instanceof Problem ? error : new Problem({ code: "page_fault" });
  }

  #become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }
}
