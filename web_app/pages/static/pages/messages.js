// What the page says. Every problem that a data manager can meet, in sentences: what happened, what is stored, what to do.
// `action` is what the row offers: "retry", "signin", or "none" when trying the same file again cannot help.

import { displayName, size, sizeOf, wait } from "./format.js";
import { typeInWords } from "./types.js";

const NOTHING_STORED = "Nothing was stored, and your file is unchanged.";
const ASK_OPERATOR = "Please tell your Sluice operator, with the code below.";

const TOKEN_FAULT = {
  title: "The permission for this upload was not accepted",
  text: `${NOTHING_STORED} Try again to ask for a new one. If it happens again, tell your Sluice operator the code below.`,
  action: "retry",
};
const TOKEN_OLD = {
  title: "The permission for this upload has run out",
  text: `${NOTHING_STORED} Try again: a new permission is asked for by itself.`,
  action: "retry",
};
const PAGE_FAULT = {
  title: "The server could not make sense of this page's request",
  text: `${NOTHING_STORED} Reload the page and choose the file again. If it happens again, tell your Sluice operator the code below.`,
  action: "retry",
};
const WRAPPED = {
  title: "This is a file inside something else",
  text: "It begins like a form that was sent over the web, with the file somewhere inside. "
    + `${NOTHING_STORED} Ask whoever made it for the file itself, and choose that.`,
  action: "none",
};
const GONE = {
  title: "What had arrived of this file is gone",
  text: "The storage server has removed the unfinished upload: it was cancelled, begun anew, or left alone for too long. "
    + "Your file is unchanged. Try again to send it from the beginning.",
  action: "retry",
};

const TOO_LARGE = ({ bytes, limit }) => ({
  title: "The file is too large",
  text: `${bytes > limit
    ? `It has ${size(bytes)}; this collection takes at most ${size(limit)} for one file.`
    : `It has ${size(bytes)}, which is more than the storage takes for one file.`} ${NOTHING_STORED} `
    + "Choose another collection, or ask your Sluice operator for a higher limit.",
  action: "none",
});

const MESSAGES = {
  // The file
  too_large: TOO_LARGE,         // said by the services tier
  size_over_limit: TOO_LARGE,   // said by web_app
  type_refused: ({ types, detected }) => ({
    title: "This type of file is not accepted here",
    text: `${detected ? `By its content this is: ${typeInWords(detected)}. ` : ""}The type is read from the content, not from the name.${types ? ` This collection takes ${types}.` : ""} `
      + `${NOTHING_STORED} Check that you chose the right file and the right collection.`,
    action: "none",
  }),
  envelope_refused: WRAPPED,
  coding_refused: WRAPPED,
  length_differs: {
    title: "The file is not as long as announced",
    text: `It may have changed while it was being sent. ${NOTHING_STORED} Make sure that no program is still writing it, then choose it again.`,
    action: "retry",
  },
  digest_differs: {
    title: "The file did not arrive as it was sent",
    text: `Its check sum (SHA-256) differs from the announced one, so it was discarded. ${NOTHING_STORED} Try again.`,
    action: "retry",
  },
  checksum_differs: {
    title: "The file does not arrive as it was read",
    text: "A part of it was sent several times, and each time its check sum (SHA-256) differed on arrival. What arrived whole before is kept. "
      + `Try again on another network. ${ASK_OPERATOR}`,
    action: "retry",
  },
  another_file: {
    title: "This is not the file that was begun",
    text: "It has the same name as a file of which a part was sent, but its size, its content or its date differs. Nothing of it was sent, "
      + "and nothing is mixed. Choose the file that was begun, or discard the unfinished upload first and then choose this one again.",
    action: "none",
  },
  collection_closed: {
    title: "Its collection is closed to you now",
    text: "A part of this file was sent to a collection that you may not upload to any more. It cannot go on there, and was not begun anew "
      + "anywhere else. Discard the unfinished upload first if it is to go to another collection.",
    action: "none",
  },
  in_another_tab: {
    title: "This file is being sent in another tab",
    text: "It goes on there by itself; nothing was begun anew here. If that tab is closed before the file is stored, try again.",
    action: "retry",
  },
  file_unreadable: ({ kept }) => ({
    title: "Your browser can no longer read this file",
    text: "It was changed, moved or renamed after you chose it, its disk is away, or it is a folder. "
      + `${kept > 0 ? "What has arrived is kept for when you choose the very same file again." : "Nothing was stored. Choose the file again."} `
      + "Folders: pack them into one archive first.",
    action: "none",
  }),

  // The person
  sign_in_required: {
    title: "You are signed out",
    text: "Your session has ended. Sign in again in the new tab, then come back here: this list is kept and goes on by itself.",
    action: "signin",
  },
  another_person: {
    title: "Somebody else has signed in",
    text: "This list belongs to the person who opened it. Sign in as that person again, or reload the page to start a new list.",
    action: "signin",
  },
  collection_forbidden: {
    title: "You may not upload to this collection",
    text: `Your permission may have changed since this page was opened. ${NOTHING_STORED} Reload the page to see your collections, or ask the collection's owner.`,
    action: "none",
  },

  // The store
  no_space: {
    title: "The storage is full",
    text: `There is no room for this file at the moment. Your file is unchanged, and what has arrived of it is kept. Tell your Sluice operator; once there is room, try again.`,
    action: "retry",
  },
  unstorable: {
    title: "The storage can never take this file",
    text: `Its name, its size or its place is refused there, and trying again would change nothing. ${NOTHING_STORED} Tell your Sluice operator.`,
    action: "none",
  },
  collection_unknown: {
    title: "The storage does not know this collection yet",
    text: `It was set up here but not on the storage server. ${NOTHING_STORED} Tell your Sluice operator; then try again.`,
    action: "retry",
  },

  // The permission
  token_expired: TOKEN_OLD,
  token_start_by: TOKEN_OLD,
  token_binding: {
    title: "The permission for this upload belongs to another browser session",
    text: `Your browser did not send back the cookie that it was tied to. ${NOTHING_STORED} Check that cookies are allowed for this site, then try again.`,
    action: "retry",
  },
  fate_unknown: {
    title: "The permission ran out while the file was on its way",
    text: "This page may no longer ask what became of it. Look at your uploads in some minutes: if the whole file had arrived, it is "
      + "listed there as stored. If not, try again: the upload starts from the beginning.",
    action: "retry",
  },
  token_not_yet_valid: {
    title: "The servers' clocks disagree",
    text: `The permission is not valid yet in the eyes of the storage server. ${NOTHING_STORED} ${ASK_OPERATOR}`,
    action: "retry",
  },
  already_committed: {
    title: "This permission has already been used",
    text: "A file was stored under it before: see your uploads below. Try again to send this file with a new permission.",
    action: "retry",
  },
  superseded: GONE,
  upload_expired: GONE,
  upload_cancelled: GONE,
  upload_gone: GONE,
  upload_unknown: GONE,
  final_upload: GONE,
  grant_ended: GONE,
  upload_not_yours: TOKEN_FAULT,

  // The page itself
  request_malformed: PAGE_FAULT,
  csrf_failed: PAGE_FAULT,
  length_required: PAGE_FAULT,
  not_found: PAGE_FAULT,
  method_not_allowed: PAGE_FAULT,
  wrong_offset: PAGE_FAULT,
  inconsistent_length: PAGE_FAULT,
  checksum_unsupported: PAGE_FAULT,
  digest_invalid: PAGE_FAULT,
  append_type_refused: PAGE_FAULT,
  partial_body: PAGE_FAULT,
  trailing_slash: PAGE_FAULT,
  version_unsupported: PAGE_FAULT,
  page_fault: {
    title: "This page made a mistake",
    text: "The upload was stopped. Reload the page, look at your uploads below, and choose the file again if it is not there.",
    action: "retry",
  },
};

// Refusals that pass by themselves: shown with a countdown, no action needed.
const WAITS = {
  connection_lost: "Connection lost",
  body_cut_off: "Connection lost",
  too_slow: "The connection is too slow at the moment",
  deadline_passed: "The connection is too slow at the moment",
  internal_error: "Something failed on the server",
  busy: "Many uploads are running at the moment",
  draining: "The server is restarting",
  store_unavailable: "The storage cannot be reached at the moment",
  database_unavailable: "The server cannot keep its records at the moment",
  upload_in_progress: "The storage server is still busy with the earlier try",
  slow_down: "Too many requests have come from your address",
};

const STATES = {
  queued: "Waiting for its turn",
  preparing: "Asking for permission",
  comparing: "Comparing the file with what has arrived",
  reading: "Reading the file",
  sending: "Uploading",
  settling: "Asking what has arrived",
  paused: "Paused",
  confirming: "Stored; confirming…",
  cancelling: "Cancelling",
  cancelled: "Cancelled: nothing was stored",
  stored: "Stored and verified",
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
  if (state === "stored" && file.size === 0) return { title: "Stored and verified: an empty file", text: noteOn(transfer) };
  const done = state === "comparing" && transfer.compared > 0 ? ` (${size(transfer.compared)} agree)` : "";
  return { title: `${STATES[state]}${done}`, text: noteOn(transfer) };
}

/** What is safe, and what happens next: "212 of 327 MiB are safe. Connection lost; trying again in 4 s". */
export function standing(transfer, seconds) {
  const { kept, file, state } = transfer;
  const safe = kept > 0 ? `${safeOf(kept, file.size)} ` : "";
  if (state !== "waiting") return `${safe}${describe(transfer).title}`;
  const next = seconds > 0 ? `trying again in ${wait(seconds)}` : "trying again now";
  return `${safe}${explainWait(transfer.problem)}; ${next}`;
}

/** "16.0 of 120 MiB are safe." */
export function safeOf(kept, total) {
  const shown = sizeOf(kept, total);
  return `${/^0(?:\.0)? /.test(shown) ? `${size(kept)} of ${size(total)}` : shown} are safe.`;
}

/** What is lost if it is given up now. */
export function atStake({ file, kept }) {
  return `${displayName(file.name)}: ${safeOf(kept, file.size)} Discarded, they are gone, and the file has to be sent from its beginning.`;
}

const CANCELLED_UNSEEN = {
  title: "Cancelled; not known whether the file had arrived",
  text: "The server could not be asked in time. If the whole file had arrived, your uploads will list it as stored.",
};

function noteOn({ state, lateCancel, leftBehind }) {
  if (state === "confirming") return "The file is safe. Its receipt is being filed; if this page is closed now, the server does it later.";
  if (state === "stored" && lateCancel) return "The whole file had arrived before the upload could be cancelled, so it is stored.";
  if (state === "cancelled" && leftBehind) return "The server could not be told. It removes what had arrived later, by itself.";
  return "";
}

/** A refusal; `context` may know bytes, limit, types and how much is kept; what the file was taken for stands in the problem. */
export function explain(problem, context = {}) {
  const { code } = problem;
  const known = MESSAGES[code] ?? (code.startsWith("token_") ? TOKEN_FAULT : null);
  const message = typeof known === "function" ? known({ ...context, detected: problem.detected }) : known;
  return { ...(message ?? unknown(problem)), code };
}

/** The file is stored, but web_app would not take its receipt. */
function explainUnconfirmed(problem) {
  const { action, code } = explain(problem);
  const rest = action === "signin"
    ? "Only its receipt has not been filed yet. Sign in again in the new tab, then come back here: that goes on by itself."
    : "Only its receipt could not be filed. You need not send the file again: the server files the receipt later by itself.";
  return { title: "Stored, but not confirmed yet", text: `The file is complete and safe. ${rest}`, action, code };
}

/** Why a row waits. */
export function explainWait(problem) {
  return WAITS[problem.code] ?? "The server asks to wait";
}

/** A newer server may know codes that this page does not: then its own words have to do. */
function unknown(problem) {
  return {
    title: problem.title || "The server refused this upload",
    text: `${problem.detail ? `${problem.detail} ` : ""}${ASK_OPERATOR}`,
    action: "retry",
  };
}
