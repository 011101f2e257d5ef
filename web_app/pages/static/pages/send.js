// One file on its way, from "may I?" to a confirmed receipt: which state it is in, and what to do next.
//
//   queued → preparing → sending → [resending] → [settling] → confirming → stored
//                 ↑          └───────────┴────────────┴──→ waiting (for Retry-After, then again)
//                 └── retry ── stopped (a refusal, a cut line, a session that ended)
//   cancel leads from anywhere before `confirming` to cancelled, or to confirming if the file was already safe.

import { Delivery } from "./delivery.js";
import { NoAnswer, Problem } from "./problem.js";
import { Meter } from "./rate.js";
import { UploadResource } from "./resource.js";
import { backoff, pause } from "./wait.js";

const CANCEL_MS = 10000;            // how long cancelling waits to learn what became of the bytes
const RENEW_MS = 60000;             // a permission that was good for less is not asked for again
const DEFAULT_WAIT = 5;             // seconds, for a 423, 429 or 503 without Retry-After
// The token, not the file, is at fault: a new permission cures it.
const STALE_TOKEN = new Set(["token_start_by", "token_expired", "token_binding"]);

export class Transfer extends EventTarget {
  #api;
  #stop = null;                     // AbortController of what is running
  #grant = null;
  #grantedAt = 0;
  #renewed = false;
  #delivery = null;

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
    this.unknown = false;           // cancelled when nobody could say whether it was
  }

  /** Nothing more happens unless the person asks for it. */
  get ended() {
    return ["stopped", "cancelled", "stored"].includes(this.state);
  }

  get running() {
    return this.state !== "queued" && !this.ended;
  }

  /** The bytes are stored; perhaps only the web tier has not heard of it yet. */
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
      this.#become("preparing");
      try {
        if (this.#delivery === null) await this.#askPermission(signal);
        return await this.#delivery.attempt(signal);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (STALE_TOKEN.has(error.code)) this.#dropPermission(error);
        else if (error.passes) await this.#waitFor(error, signal);
        else throw error;
      }
    }
  }

  async #askPermission(signal) {
    this.#grant = await this.#api.createGrant(this.collection.slug, this.file.size, signal);
    this.#grantedAt = performance.now();
    const resource = new UploadResource(this.#grant.upload_url);
    this.#delivery = new Delivery(resource, this.file, (event, offset) => this.#heard(event, offset));
  }

  /** A fresh permission that is refused as stale cannot be cured by one more; one with an open question must not be. */
  #dropPermission(refusal) {
    if (this.#delivery.undecided) throw new Problem({ code: "fate_unknown" });
    if (this.#renewed && performance.now() - this.#grantedAt < RENEW_MS) throw refusal;
    this.#renewed = true;
    this.#abandon();
  }

  #heard(event, offset) {
    if (event === "taken") {
      this.meter?.taken(offset, performance.now());
      this.dispatchEvent(new Event("progress"));
      return;
    }
    if (event !== "settling") this.meter = new Meter(this.file.size, performance.now());
    this.#become(event);
  }

  async #waitFor(problem, signal) {
    const seconds = Math.max(1, problem.retryAfter ?? DEFAULT_WAIT);
    this.until = performance.now() + seconds * 1000;
    this.#become("waiting", problem);
    await pause(seconds * 1000, signal);
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
        const mayPass = error instanceof NoAnswer || (error instanceof Problem && (error.passes || error.status >= 500));
        if (!mayPass) throw error;
        await pause(backoff(failures, 30000), signal);
      }
    }
  }

  // -- ends --------------------------------------------------------------------------------------------------------

  async #stopped(error) {
    const problem = await this.#reason(error);
    // Nothing was sent under it, or nobody may ask with it any more: another try asks for a new permission.
    if (!this.#delivery?.begun && !this.safe) this.#abandon();
    if (problem.code === "fate_unknown") this.#forgetPermission();
    this.#become("stopped", problem);
  }

  /** The person gave it up; the file may have been stored a moment before all the same, and then that is what is true. */
  async #cancelled() {
    if (this.#delivery?.begun) {
      try {
        this.upload = await this.#delivery.learnFate(AbortSignal.timeout(CANCEL_MS));
      } catch {
        // Unreachable or still under way: then the permission is given up as it is.
      }
      this.unknown = this.#delivery.undecided;
      if (this.upload !== null) {
        this.lateCancel = true;
        await this.run();
        return;
      }
    }
    this.#abandon();
    this.#become("cancelled");
  }

  /** Best effort: a permission that is not given up runs out by itself. */
  #abandon() {
    if (this.#grant !== null) this.#api.giveUp(this.#grant.id).catch(() => {});
    this.#forgetPermission();
  }

  #forgetPermission() {
    this.#grant = null;
    this.#delivery = null;
  }

  /** A file that changed or vanished after it was chosen looks like a cut line, so ask the file first. */
  async #reason(error) {
    const line = error instanceof NoAnswer;
    if (!line && !(error instanceof Problem)) return new Problem({ code: "page_fault" });
    if (!line && error.code !== "body_cut_off") return error;
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      return new Problem({ code: "file_unreadable" });
    }
    if (!line) return error;
    return new Problem({ code: this.#delivery?.undecided ? "connection_lost" : "unreachable" });
  }

  #become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }
}
