// What the page says of a transfer: its state in words, and what stands in refusals.js where it was refused.

import { displayName, size, sizeOf, titleOf, wait } from "./format.js";
import { withContact } from "./operator.js";
import { ASK_OPERATOR, MESSAGES, TOKEN_FAULT, WAITS } from "./refusals.js";
import { t } from "./text.js";

const STATES = {
  queued: t("Waiting for its turn"),
  preparing: t("Asking for permission"),
  comparing: t("Comparing the file with what has arrived"),
  reading: t("Reading the file"),
  sending: t("Uploading"),
  settling: t("Asking what has arrived"),
  paused: t("Paused"),
  confirming: t("Stored; confirming…"),
  cancelling: t("Cancelling"),
  cancelled: t("Cancelled: nothing was stored"),
  stored: t("Stored and verified"),
};

/** What a Transfer's row says: {title, text, action, code}; `text` may be empty, `action` and `code` only when it is stopped. */
export function describe(transfer) {
  const { state, problem, safe, file, collection } = transfer;
  if (state === "stopped" && safe) return explainUnconfirmed(problem);
  if (state === "stopped") return explain(problem, {
    bytes: file.size, limit: collection.maxSize, types: collection.types, kept: transfer.kept,
  });
  if (state === "waiting") return { title: explainWait(problem), text: "" };
  if (state === "cancelled" && transfer.unknown) return CANCELLED_UNSEEN;
  if (state === "stored" && file.size === 0) return { title: t("Stored and verified: an empty file"), text: noteOn(transfer) };
  const done = state === "comparing" && transfer.compared > 0 ? ` ${t("({size} agree)", { size: size(transfer.compared) })}` : "";
  return { title: `${STATES[state]}${done}`, text: noteOn(transfer) };
}

/** What is safe, and what happens next: "212 of 327 MiB are safe. Connection lost; trying again in 4 s". */
export function standing(transfer, seconds) {
  const { kept, file, state } = transfer;
  const safe = kept > 0 ? `${safeOf(kept, file.size)} ` : "";
  if (state !== "waiting") return `${safe}${describe(transfer).title}`;
  const next = seconds > 0 ? t("trying again in {time}", { time: wait(seconds) }) : t("trying again now");
  return `${safe}${explainWait(transfer.problem)}; ${next}`;
}

/** "16.0 of 120 MiB are safe." */
export function safeOf(kept, total) {
  return t("{size} are safe.", { size: sizeOf(kept, total) });
}

/** What is lost if it is given up now. */
export function atStake({ file, kept }) {
  return `${titleOf(file)}: ${safeOf(kept, file.size)} ${t("Discarded, they are gone, and the file has to be sent from its beginning.")}`;
}

const CANCELLED_UNSEEN = {
  title: t("Cancelled; not known whether the file had arrived"),
  text: t("The server could not be asked in time. If the whole file had arrived, your uploads will list it as stored."),
};

function noteOn({ state, lateCancel, leftBehind, storedAs }) {
  if (state === "confirming") {
    return t("The file is safe. Its receipt is being filed; if this page is closed now, the server does it later.");
  }
  const renamed = storedAs === null ? "" : `${t("Stored under a name that is safe everywhere: “{name}”.", { name: displayName(storedAs) })} `;
  if (state === "stored" && lateCancel) {
    return `${renamed}${t("The whole file had arrived before the upload could be cancelled, so it is stored.")}`;
  }
  if (state === "stored") return renamed.trim();
  if (state === "cancelled" && leftBehind) return t("The server could not be told. It removes what had arrived later, by itself.");
  return "";
}

/** A refusal; `context` may know bytes, limit, types and how much is kept; what the file was taken for stands in the problem. */
export function explain(problem, context = {}) {
  const { code } = problem;
  const known = MESSAGES[code] ?? (code.startsWith("token_") ? TOKEN_FAULT : null);
  const message = typeof known === "function" ? known({ ...context, detected: problem.detected, path: problem.path, quota: problem.quota }) : known;
  const said = message ?? unknown(problem);
  return { ...said, text: withContact(said.text), code };
}

/** The file is stored, but web_app would not take its receipt. */
function explainUnconfirmed(problem) {
  const { action, code } = explain(problem);
  const rest = action === "signin"
    ? t("Only its receipt has not been filed yet. Sign in again in the new tab, then come back here: that goes on by itself.")
    : t("Only its receipt could not be filed. You need not send the file again: the server files the receipt later by itself.");
  return { title: t("Stored, but not confirmed yet"), text: `${t("The file is complete and safe.")} ${rest}`, action, code };
}

/** Why a row waits. */
export function explainWait(problem) {
  return WAITS[problem.code] ?? t("The server asks to wait");
}

/** A newer server may know codes that this page does not: then its own words have to do. */
function unknown(problem) {
  return {
    title: problem.title || t("The server refused this upload"),
    text: `${problem.detail ? `${problem.detail} ` : ""}${ASK_OPERATOR}`,
    action: "retry",
  };
}
