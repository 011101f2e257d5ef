// One file's row: shows a Transfer and offers what can be done about it. The markup is the page's <template id="file-row">.

import {
  aboutFile, exactBytes, percent, sizeInFull, sizeOf, speed, splitTail, timeLeft, titleOf,
} from "./format.js";
import { showTime } from "./history.js";
import { describe, safeOf, standing } from "./messages.js";
import { isFinished } from "./summary.js";
import { t } from "./text.js";
import { typeInWords } from "./types.js";

const TEXT_EVERY_MS = 500;      // numbers that change faster cannot be read
const ACTIONS = ["cancel", "hurry", "pause", "resume", "retry", "remove"];
// Not by the second click of two, which was meant for the button that stood there before.
const ONCE = new Set(["cancel", "pause", "remove"]);
const TAIL = 14;                // characters of a long name that always stay in sight: the number of a series, the extension
const UNDER_WAY = ["sending", "reading", "settling", "waiting"];

export class Row {
  #transfer;
  #parts = {};
  #frame = null;
  #textAt = 0;

  /** `act(name)` is called with one of ACTIONS. */
  constructor(transfer, template, act) {
    this.#transfer = transfer;
    this.element = template.content.firstElementChild.cloneNode(true);
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    const shown = titleOf(transfer.file);
    const [head, tail] = splitTail(shown, TAIL);
    this.#parts.name.setAttribute("aria-label", shown);
    this.#parts.name.title = shown;
    this.#parts.head.textContent = head;
    this.#parts.tail.textContent = tail;
    this.#parts.size.textContent = aboutFile(transfer.file);
    this.#parts.size.title = exactBytes(transfer.file.size);
    this.#parts.collection.textContent = transfer.collection.title;
    this.#parts.bar.setAttribute("aria-label", t("Bytes taken of {file}", { file: shown }));
    for (const action of ACTIONS) {
      this.#parts[action].addEventListener("click", ({ detail }) => {
        if (detail < 2 || !ONCE.has(action)) act(action);
      });
      this.#label(action, this.#parts[action].textContent.trim());
    }
    const { more } = this.#parts;
    more.setAttribute("aria-label", t("Details: {file}", { file: shown }));
    more.addEventListener("click", () => {
      more.ariaExpanded = String(more.ariaExpanded === "false");
      this.#parts.result.hidden = more.ariaExpanded === "false";
    });
    transfer.addEventListener("change", () => this.render());
    transfer.addEventListener("progress", () => this.#animate());
    this.render();
  }

  render() {
    const transfer = this.#transfer;
    const { state } = transfer;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.element.dataset.state = state;
    const { title, text, action, code } = describe(transfer);
    this.#parts.state.textContent = this.#stateText(title);
    this.#show("note", text);
    this.#show("code", code ? t("Code: {code}", { code }) : "");
    const moving = transfer.running && !transfer.safe && state !== "cancelling";
    const begun = transfer.meter !== null && (!transfer.ended || transfer.resumable);
    this.#parts.bar.hidden = !(begun || state === "sending" || state === "preparing" || state === "confirming");
    const keeps = state === "stopped" && transfer.resumable && transfer.kept > 0;
    this.#parts.numbers.hidden = !(UNDER_WAY.includes(state) || state === "cancelling" || keeps);
    this.#parts.hurry.hidden = state !== "waiting";
    this.#parts.pause.hidden = !(moving || state === "queued");
    this.#parts.resume.hidden = state !== "paused";
    this.#parts.cancel.hidden = !(moving || state === "queued" || state === "paused" || transfer.resumable) || state === "cancelling";
    this.#label("cancel", transfer.ended ? t("Discard") : t("Cancel"));
    this.#label("retry", action === "beside" ? t("Send it beside") : t("Try again"));
    this.#parts.retry.hidden = action === undefined || action === "none";
    this.#parts.signin.hidden = action !== "signin";
    this.#parts.remove.hidden = !transfer.ended || transfer.resumable;
    // Folded to one line once nothing more will come: what it says in full is a press away.
    this.#parts.more.hidden = state !== "stored";
    this.#parts.result.hidden = !transfer.safe || (state === "stored" && this.#parts.more.ariaExpanded === "false");
    if (transfer.safe) this.#showResult();
    if (state === "preparing") this.#parts.bar.removeAttribute("value");
    else this.#draw(performance.now(), true);
    if (UNDER_WAY.includes(state)) this.#animate();
    // A button that goes away must not take the keyboard's place on the page with it: its counterpart has it then.
    if (!focused?.closest("[hidden]")) return;
    const counterpart = [this.#parts.pause, this.#parts.resume].find((each) => each !== focused && !each.hidden);
    if (counterpart && (focused === this.#parts.pause || focused === this.#parts.resume)) counterpart.focus();
    else this.focus();
  }

  #label(action, text) {
    this.#parts[action].textContent = text;
    this.#parts[action].setAttribute("aria-label", `${text}: ${this.#parts.name.title}`);
  }

  focus() {
    this.#parts.name.focus({ preventScroll: true });
  }

  #show(part, text) {
    this.#parts[part].textContent = text;
    this.#parts[part].hidden = text === "";
  }

  #showResult() {
    const { upload, receiptUrl } = this.#transfer;
    this.#parts.digest.textContent = upload.sha256;
    this.#parts.copy.dataset.copy = upload.sha256;
    this.#parts.copy.querySelector("span").textContent = ` ${t("digest of {file}", { file: this.#parts.name.title })}`;
    this.#parts.bytes.textContent = sizeInFull(upload.length);
    this.#parts.type.textContent = typeInWords(upload.media_type);
    this.#parts.type.title = upload.media_type;
    showTime(this.#parts.time, upload.durable_at);
    this.#parts.receipt.hidden = receiptUrl === null;
    this.#parts.receipt.setAttribute("aria-label", t("Download receipt: {file}", { file: this.#parts.name.title }));
    if (receiptUrl !== null) {
      const { pathname, search } = new URL(receiptUrl, location.origin);
      this.#parts.receipt.href = pathname + search;
    }
  }

  #animate() {
    this.#frame ??= requestAnimationFrame((now) => {
      this.#frame = null;
      this.#draw(now, false);
      if (UNDER_WAY.includes(this.#transfer.state)) this.#animate();
    });
  }

  #draw(now, withText) {
    const { meter, state, file } = this.#transfer;
    // It glides only while frames are drawn; where it stops it stands at what is true.
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || !UNDER_WAY.includes(state);
    const taken = this.#transfer.safe ? file.size : (meter === null ? 0 : (still ? meter.offset : meter.shown(now)));
    // A <progress max=0> would be indeterminate; an empty file is complete as soon as it is stored.
    this.#parts.bar.max = Math.max(1, file.size);
    this.#parts.bar.value = file.size === 0 && this.#transfer.safe ? 1 : taken;
    if (!withText && now - this.#textAt < TEXT_EVERY_MS) return;
    this.#textAt = now;
    this.#parts.taken.textContent = this.#taken(taken);
    this.#parts.pace.textContent = this.#pace(now);
    if (state === "waiting") this.#parts.state.textContent = this.#stateText();
  }

  #taken(bytes) {
    const { state, file, kept } = this.#transfer;
    if (state === "waiting") return "";
    return state === "stopped" ? safeOf(kept, file.size) : `${sizeOf(bytes, file.size)} (${percent(bytes, file.size)} %)`;
  }

  /** Beside a pause that nobody likes stands what is safe. */
  #stateText(title) {
    const { state, until } = this.#transfer;
    if (state === "waiting") return standing(this.#transfer, Math.max(0, Math.ceil((until - performance.now()) / 1000)));
    return state === "settling" || state === "paused" ? standing(this.#transfer) : title;
  }

  #pace(now) {
    const { meter, state } = this.#transfer;
    if (state === "waiting") return t("You need not do anything.");
    if (state !== "sending" || meter === null) return "";
    if (meter.offset === meter.total) return t("Everything has arrived; verifying…");
    if (meter.stalled(now)) {
      return navigator.onLine ? t("No new bytes are arriving; still trying") : t("Your computer is offline; still trying");
    }
    const perSecond = meter.speed(now);
    return perSecond === null ? "" : `${speed(perSecond)}, ${timeLeft(meter.secondsLeft(now))}`;
  }
}

/** What is finished comes last, so that what is under way or failed stands first; the keyboard keeps its place. */
export function placeRow(row, transfer) {
  const list = document.getElementById("file-list");
  const { activeElement } = document;
  const last = isFinished(transfer);
  if (row.element.parentElement === list && last === ("finished" in row.element.dataset)) return;
  row.element.toggleAttribute("data-finished", last);
  list.insertBefore(row.element, last ? null : list.querySelector("[data-finished]"));
  if (row.element.contains(activeElement)) activeElement.focus({ preventScroll: true });
}
