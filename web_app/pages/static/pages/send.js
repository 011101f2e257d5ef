// One file on its way, from "may I?" to a confirmed receipt: which state it is in, and what to do next.
//
//   queued → preparing → sending ⇄ settling → confirming → stored      (comparing, reading: for the file on its disk)
//              ↑  ↑        ↓  ↓        ↓
//              │  └──── waiting ───────┘         for the line or the server; tried again for as long as the page is open
//              └─ paused, stopped                a person has to do something
//   cancel leads from anywhere before `confirming` to cancelled, or to confirming if the file was already safe.

import { Delivery, GONE, STALE_TOKEN } from "./delivery.js";
import { Permission } from "./permission.js";
import { isPassing, Problem, reasonOf } from "./problem.js";
import { Meter } from "./rate.js";
import { UploadResource } from "./resource.js";
import { backoff, Patience, pause } from "./wait.js";

const CANCEL_MS = 10000;            // how long cancelling waits to learn what became of the bytes

export class Transfer extends EventTarget {
  #tools;
  #stop = null;                     // AbortController of what is running
  #patience = new Patience();
  #letGo = null;                    // so that another tab may go on with it
  #pausing = false;
  #delivery = null;
  #resource = null;
  #permission;

  /** `tools`: {api, hasher, unfinished}. `known`: what the browser remembers of an upload that an earlier page began. */
  constructor(file, collection, tools, known = null) {
    super();
    this.file = file;
    this.collection = collection;   // {slug, title, maxSize, types}
    this.#tools = tools;
    this.#permission = new Permission(tools.api);
    this.state = "queued";
    this.problem = null;            // why it is stopped or waiting
    this.until = 0;                 // performance.now() of the next try, while waiting
    this.meter = null;
    this.upload = null;             // the services tier's word on the committed file
    this.receiptUrl = this.storedAs = null;     // storedAs: where that is another name than it was sent under
    this.lateCancel = false;        // cancelled when the file was already stored
    this.unknown = false;           // cancelled when nobody could say whether it was
    this.leftBehind = false;        // cancelled, and what had arrived could not be taken back
    this.compared = 0;              // bytes of what was sent before that agree with the file
    if (known !== null) this.#takeUp(new Permission(tools.api, known.grantId), known);
  }

  /** Nothing more happens unless the person asks for it. */
  get ended() {
    return ["stopped", "cancelled", "stored"].includes(this.state);
  }

  get running() {
    return !this.ended && this.state !== "queued" && this.state !== "paused";
  }

  /** The bytes are stored; perhaps only the web tier has not heard of it yet. */
  get safe() { return this.upload !== null; }
  get elsewhere() { return this.problem?.code === "in_another_tab"; }

  /** Bytes that the services tier promised to have. */
  get kept() { return this.#delivery?.kept ?? 0; }

  get uploadId() { return this.#resource?.uploadId ?? null; }

  /** An upload waits on the services tier for what this file has still to bring. */
  get resumable() {
    return !this.safe && !this.elsewhere && this.state !== "cancelled" && this.uploadId !== null;
  }

  /** Runs to an end that needs a person, or none: stored, stopped, paused or cancelled. Never rejects. */
  async run() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    try {
      this.upload ??= await this.#deliver(signal);
      await this.#confirm(signal);
    } catch (error) {
      if (!signal.aborted) await this.#stopped(error);
      else if (this.#pausing) this.#become("paused");
      else await this.#cancelled();
    } finally {
      this.#letGo?.();
    }
  }

  /**
   * Other tabs leave it alone from now on, and it is remembered. Where it was forgotten meanwhile (sign-out), or begun elsewhere, nobody
   * here knows what was sent of it before: `byDigest`.
   */
  async #hold(more = {}) {
    this.#letGo?.();
    this.#letGo = await this.#tools.unfinished.hold(this.uploadId);
    if (this.#letGo === null) throw new Problem({ code: "in_another_tab" });
    const { grantId } = this.#permission;
    this.#tools.unfinished.keep({ grantId, uploadId: this.uploadId, collection: this.collection.slug, ...more }, this.file);
  }

  /** Not even begun. */
  refuse(code) {
    this.#become("stopped", new Problem({ code }));
  }

  requeue() {
    this.#become("queued");
  }

  /** Does not wait any longer. */
  hurry() {
    this.#patience.end();
  }

  pause() {
    if (this.state === "queued") {
      this.#become("paused");
    } else if (this.running && !this.safe && this.state !== "cancelling") {
      this.#pausing = true;
      this.#stop.abort();
    }
  }

  cancel() {
    if (this.state === "cancelling" || this.state === "cancelled" || this.safe) return;
    const { running } = this;
    this.#pausing = false;
    this.#become("cancelling");
    if (running) this.#stop.abort();
    else this.#cancelled();
  }

  // -- to the services tier: until it says that the file is stored

  async #deliver(signal) {
    this.#pausing = false;
    let [failures, kept] = [0, this.kept];
    this.#become("preparing");
    if (this.uploadId !== null) await this.#hold({ byDigest: true });
    for (;;) {
      signal.throwIfAborted();
      try {
        if (this.#permission.lacksToken) await this.#askPermission(signal);
        return await this.#delivery.attempt(signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (this.kept > kept) [failures, kept] = [0, this.kept];
        if (STALE_TOKEN.has(error.code)) this.#tokenRefused(error);
        else if (error.code === "already_complete") return this.#storedBefore(signal);
        else if (isPassing(error)) await this.#waitFor(await reasonOf(error, this.file), failures++, signal);
        else throw error;
      }
    }
  }

  async #askPermission(signal) {
    if (this.uploadId !== null) {
      await this.#renew(signal);
      return;
    }
    if (this.#permission.grantId !== null) this.#abandon("superseded");
    const url = await this.#permission.ask(this.collection.slug, this.file.size, signal);
    this.#takeUp(this.#permission, null, url);
  }

  async #renew(signal) {
    this.#resource.use(await this.#permission.renew(this.uploadId, signal));
  }

  #tokenRefused(refusal) {
    this.#permission.refused(refusal);
    // A short file whose answer was lost: nobody may ask for it any more.
    if (this.uploadId === null && this.#delivery.mayBeStored) throw new Problem({ code: "fate_unknown" });
  }

  #takeUp(permission, known, url = "/u/none") {
    this.#permission = permission;
    this.#resource = new UploadResource(url, known?.uploadId);
    this.#delivery = new Delivery(this.#resource, this.file, {
      hasher: this.#tools.hasher, hear: (event, detail) => this.#heard(event, detail), renew: (signal) => this.#renew(signal),
      sent: known,
    });
    this.meter = null;
  }

  #heard(event, detail) {
    if (event === "kept" || event === "taken") {
      this.#permission.worked();
      this.meter ??= new Meter(this.file.size, performance.now(), detail);
      this.meter.report(detail, performance.now());
      this.dispatchEvent(new Event("progress"));
    } else if (event === "piece") {
      this.#tools.unfinished.notePiece(this.uploadId, detail);
    } else if (event === "comparing" && this.state !== "cancelling") {
      this.compared = detail;
      this.#become(event);
    } else if (event === "begun") {
      this.#hold().catch(() => {});       // new, so nobody else can have it
    } else if (event !== this.state && this.state !== "cancelling") {
      if (event === "sending") this.meter?.resumed(performance.now());
      this.#become(event);
    }
  }

  async #waitFor(problem, failures, signal) {
    const ms = problem.retryAfter !== null ? Math.max(1, problem.retryAfter) * 1000 : backoff(failures, 30000);
    this.until = performance.now() + ms;
    this.#become("waiting", problem);
    await this.#patience.pause(ms, signal);
  }

  /** web_app has its receipt already: only this browser had not heard of it. Or it has others, and this one never ended. */
  async #storedBefore(signal) {
    const one = (await this.#tools.api.grant(this.#permission.grantId, signal)).uploads.find(({ upload_id: id }) => id === this.uploadId);
    if (one === undefined) throw new Problem({ code: "upload_gone", status: 410 });
    const stored = await this.#delivery.storedBefore(one, signal);
    this.receiptUrl = one.receipt_url;
    return stored;
  }

  // -- to web_app --------------------------------------------------------------------------------------------------

  /** The file is stored and the receipt in hand. Until web_app has it too, reconcile on the server heals what we cannot. */
  async #confirm(signal) {
    this.#become("confirming");
    if (this.uploadId !== null) this.#tools.unfinished.markSafe(this.uploadId);
    for (let failures = 0; this.upload.receipt !== null; failures += 1) {
      try {
        const grant = await this.#tools.api.postReceipt(this.upload.receipt, signal);
        this.receiptUrl = grant.receipt_url;
        break;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await pause(backoff(failures, 30000), signal);
      }
    }
    this.#forget();
    this.#become("stored");
  }

  // -- ends --------------------------------------------------------------------------------------------------------

  async #stopped(error) {
    const problem = error instanceof Problem ? error : new Problem({ code: "page_fault" });
    if (problem.code === "file_unreadable") problem.path = await this.file.unreadable?.(this.kept) ?? null;      // which one, of a folder
    // Then what was begun is not this file's to end: it waits for its own.
    if (problem.code === "another_file") [this.#permission, this.#resource] = [new Permission(this.#tools.api), null];
    const over = this.uploadId === null || GONE.has(problem.code);
    // Nothing of it will ever be continued: another try asks for a new permission, and begins anew.
    if (over && !this.safe && problem.code !== "sign_in_required") this.#abandon(problem.code);
    this.#become("stopped", problem);
  }

  /** The person gave it up; the file may have been stored a moment before all the same, and then that is what is true. */
  async #cancelled() {
    if (this.uploadId !== null || this.#delivery?.mayBeStored) {
      this.leftBehind = !(await this.#takeBack(AbortSignal.timeout(CANCEL_MS)));
      if (this.upload !== null) {
        this.lateCancel = true;
        await this.run();
        return;
      }
      this.unknown = this.#delivery.mayBeStored;
    }
    this.#abandon();
    this.#become("cancelled");
  }

  /** Learns whether the file is stored, and if not removes what has arrived; false when nobody could be told. */
  async #takeBack(signal) {
    for (let failures = 0; ; failures += 1) {
      try {
        if (this.#permission.lacksToken) await this.#renew(signal);
        this.upload = await this.#delivery.learnFate(signal);
        if (this.upload === null && this.uploadId !== null) await this.#delivery.cancel(signal);
        return true;
      } catch (error) {
        if (GONE.has(error.code)) return true;
        if (signal.aborted || !isPassing(error)) return false;
        await pause(backoff(failures, 4000), signal).catch(() => {});
      }
    }
  }

  #abandon(because) {
    this.#permission.giveUp(because);
    this.#forget();
    this.#resource = this.#delivery = this.meter = null;
  }

  #forget() {
    if (this.uploadId !== null) this.#tools.unfinished.forget(this.uploadId);
  }

  #become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    // What was on its way is lost with its request: beside "so much is safe" stands no more than that.
    if (state === "waiting" || state === "paused" || state === "stopped") this.meter?.report(this.kept, performance.now());
    this.dispatchEvent(new Event("change"));
  }
}
