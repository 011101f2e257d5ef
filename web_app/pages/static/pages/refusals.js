// Every problem that a data manager can meet, in sentences: what happened, what is stored, what to do.
// `action` is what the row offers: "retry", "beside" (the same, of a file that is another one), "signin", or "none" when trying the same file
// again cannot help.

import { displayName, exactBytes, explainQuota, size } from "./format.js";
import { t } from "./text.js";
import { typeInWords } from "./types.js";

const NOTHING_STORED = t("Nothing was stored, and your file is unchanged.");
const IS_KEPT = t("Your file is unchanged, and what has arrived of it is kept.");
export const ASK_OPERATOR = t("Please tell your Sluice operator, with the code below.");
const IF_AGAIN = t("If it happens again, tell your Sluice operator the code below.");

export const TOKEN_FAULT = {
  title: t("The permission for this upload was not accepted"),
  text: `${NOTHING_STORED} ${t("Try again to ask for a new one.")} ${IF_AGAIN}`,
  action: "retry",
};
const TOKEN_OLD = {
  title: t("The permission for this upload has run out"),
  text: `${NOTHING_STORED} ${t("Try again: a new permission is asked for by itself.")}`,
  action: "retry",
};
const PAGE_FAULT = {
  title: t("The server could not make sense of this page's request"),
  text: `${NOTHING_STORED} ${t("Reload the page and choose the file again.")} ${IF_AGAIN}`,
  action: "retry",
};
const WRAPPED = {
  title: t("This is a file inside something else"),
  text: `${t("It begins like a form that was sent over the web, with the file somewhere inside.")} ${NOTHING_STORED} `
    + t("Ask whoever made it for the file itself, and choose that."),
  action: "none",
};
const GONE = {
  title: t("What had arrived of this file is gone"),
  text: t("The storage server has removed the unfinished upload: it was cancelled, begun anew, or left alone for too long. "
    + "Your file is unchanged. Try again to send it from the beginning."),
  action: "retry",
};

/** How to tell two sizes, of which one is too much: "2 MiB left; this file has 2 MiB" would explain nothing. */
function apart(bytes, most) {
  return most !== null && size(bytes) === size(most) ? exactBytes : size;
}

function besideQuota(bytes, quota) {
  const tell = apart(bytes, quota.left);
  return t("{left}; this file has {size}.", { left: explainQuota(quota, tell), size: tell(bytes) });
}

const TOO_MANY_GRANTS = {
  title: t("Too many of your uploads are open"),
  text: `${t("As many as are allowed were begun and neither finished nor cancelled.")} ${NOTHING_STORED} `
    + t("Cancel some, or try again when they have ended."),
  action: "retry",
};

const TOO_LARGE = ({ bytes, limit }) => ({
  title: t("The file is too large"),
  text: `${bytes > limit
    ? t("It has {size}; this collection takes at most {limit} for one file.", { size: apart(bytes, limit)(bytes), limit: apart(bytes, limit)(limit) })
    : t("It has {size}, which is more than the storage takes for one file.", { size: size(bytes) })} ${NOTHING_STORED} `
    + t("Choose another collection, or ask your Sluice operator for a higher limit."),
  action: "none",
});

export const MESSAGES = {
  // The file
  too_large: TOO_LARGE,         // said by the services tier
  size_over_limit: TOO_LARGE,   // said by web_app
  type_refused: ({ types, detected }) => ({
    title: t("This type of file is not accepted here"),
    text: [
      ...(detected ? [t("By its content this is: {type}.", { type: typeInWords(detected) })] : []),
      t("The type is read from the content, not from the name."),
      ...(types ? [t("This collection takes {types}.", { types })] : []),
      NOTHING_STORED, t("Check that you chose the right file and the right collection."),
    ].join(" "),
    action: "none",
  }),
  envelope_refused: WRAPPED,
  coding_refused: WRAPPED,
  length_differs: {
    title: t("The file is not as long as announced"),
    text: `${t("It may have changed while it was being sent.")} ${NOTHING_STORED} `
      + t("Make sure that no program is still writing it, then choose it again."),
    action: "retry",
  },
  digest_differs: {
    title: t("The file did not arrive as it was sent"),
    text: `${t("Its check sum (SHA-256) differs from the announced one, so it was discarded.")} ${NOTHING_STORED} ${t("Try again.")}`,
    action: "retry",
  },
  checksum_differs: ({ kept }) => ({
    title: t("The file does not arrive as it was read"),
    text: [
      t("A part of it was sent several times, and each time its check sum (SHA-256) differed on arrival."),
      kept > 0 ? t("What arrived whole before is kept.") : NOTHING_STORED, t("Try again on another network."), ASK_OPERATOR,
    ].join(" "),
    action: "retry",
  }),
  another_file: {
    title: t("This is not the file that was begun"),
    text: t("A part of another file was sent: the name, the size, the content or the date differs from what was begun. Nothing of this one "
      + "was sent, and nothing is mixed. Choose the file that was begun to go on with it. This one can be sent beside it, as a file of its own."),
    action: "beside",
  },
  collection_closed: {
    title: t("Its collection is closed to you now"),
    text: t("A part of this file was sent to a collection that you may not upload to any more. It cannot go on there, and was not begun anew "
      + "anywhere else. Discard the unfinished upload first if it is to go to another collection."),
    action: "none",
  },
  in_another_tab: {
    title: t("This file is being sent in another tab"),
    text: t("It goes on there by itself; nothing was begun anew here. If that tab is closed before the file is stored, try again."),
    action: "retry",
  },
  file_unreadable: ({ kept, path }) => (path ? {
    title: t("Your browser can no longer read a file of this folder"),
    text: `${t("{file} was changed, moved or renamed after you chose it, or its disk is away.", { file: displayName(path) })} ${kept > 0
      ? t("What has arrived is kept for when you choose the very same folder again.")
      : t("Nothing was stored. Choose the folder again.")}`,
    action: "none",
  } : {
    title: t("Your browser can no longer read this file"),
    text: `${t("It was changed, moved or renamed after you chose it, or its disk is away.")} ${kept > 0
      ? t("What has arrived is kept for when you choose the very same file again.")
      : t("Nothing was stored. Choose the file again.")}`,
    action: "none",
  }),
  takes_no_folders: ({ types }) => ({
    title: t("This collection takes no folders"),
    text: `${t("A folder travels as one archive (TAR), and this collection takes {types} only.", { types })} ${NOTHING_STORED} `
      + t("Choose the files in it instead, or ask your Sluice operator to let this collection take TAR."),
    action: "none",
  }),
  folder_refused: {
    title: t("The archive of this folder is not as it has to be"),
    text: `${t("The storage server found something in it that does not belong there, or something missing.")} ${NOTHING_STORED} `
      + `${t("Choose the folder again.")} ${IF_AGAIN}`,
    action: "none",
  },

  // The person
  sign_in_required: {
    title: t("You are signed out"),
    text: t("Your session has ended. Sign in again in the new tab, then come back here: this list is kept and goes on by itself."),
    action: "signin",
  },
  another_person: {
    title: t("Somebody else has signed in"),
    text: t("This list belongs to the person who opened it. Sign in as that person again, or reload the page to start a new list."),
    action: "signin",
  },
  collection_forbidden: {
    title: t("You may not upload to this collection"),
    text: `${t("Your permission may have changed since this page was opened.")} ${NOTHING_STORED} `
      + t("Reload the page to see your collections, or ask the collection's owner."),
    action: "none",
  },

  // The store
  no_space: ({ kept }) => ({
    title: t("The storage is full"),
    text: `${t("There is no room for this file at the moment.")} ${kept > 0 ? IS_KEPT : NOTHING_STORED} `
      + t("Tell your Sluice operator; once there is room, try again."),
    action: "retry",
  }),
  quota_exceeded: ({ bytes, quota, kept }) => ({
    title: t("There is not enough left of the quota"),
    text: [
      ...(!quota ? [] : bytes === undefined || quota.unit === "objects" ? [`${explainQuota(quota)}.`] : [besideQuota(bytes, quota)]),
      t("What is stored and what is being sent or unfinished counts."), kept > 0 ? IS_KEPT : NOTHING_STORED,
      t("Discard unfinished uploads that are not needed, or ask your Sluice operator for more; then try again."),
    ].join(" "),
    action: "retry",
  }),
  unstorable: {
    title: t("The storage can never take this file"),
    text: `${t("It is larger than a file may be there, or its collection is set up where files cannot go; trying again would change nothing.")} `
      + `${NOTHING_STORED} ${t("Tell your Sluice operator.")}`,
    action: "none",
  },
  collection_unknown: {
    title: t("The storage does not know this collection yet"),
    text: `${t("It was set up here but not on the storage server.")} ${NOTHING_STORED} ${t("Tell your Sluice operator; then try again.")}`,
    action: "retry",
  },

  // The permission
  token_expired: TOKEN_OLD,
  token_start_by: TOKEN_OLD,
  token_binding: {
    title: t("The permission for this upload belongs to another browser session"),
    text: `${t("Your browser did not send back the cookie that it was tied to.")} ${NOTHING_STORED} `
      + t("Check that cookies are allowed for this site, then try again."),
    action: "retry",
  },
  fate_unknown: {
    title: t("The permission ran out while the file was on its way"),
    text: t("This page may no longer ask what became of it. Look at your uploads in some minutes: if the whole file had arrived, it is "
      + "listed there as stored. If not, try again: the upload starts from the beginning."),
    action: "retry",
  },
  token_not_yet_valid: {
    title: t("The servers' clocks disagree"),
    text: `${t("The permission is not valid yet in the eyes of the storage server.")} ${NOTHING_STORED} ${ASK_OPERATOR}`,
    action: "retry",
  },
  already_committed: {
    title: t("This permission has already been used"),
    text: t("A file was stored under it before: see your uploads below. Try again to send this file with a new permission."),
    action: "retry",
  },
  too_many_tries: { title: t("This permission was used too often"), text: t("Try again to get a new one."), action: "retry" },
  superseded: GONE,
  upload_expired: GONE,
  upload_cancelled: GONE,
  upload_gone: GONE,
  upload_unknown: GONE,
  final_upload: GONE,
  grant_ended: GONE,
  upload_not_yours: TOKEN_FAULT,
  too_many_grants: TOO_MANY_GRANTS,
  too_many_grants_here: { ...TOO_MANY_GRANTS, title: t("Too many of your uploads to this collection are open") },
  grant_revoked: {
    title: t("The permission for this upload was taken back"),
    text: `${t("You may no longer upload there, or the upload was cancelled elsewhere.")} ${NOTHING_STORED} `
      + t("Ask your Sluice operator if that is a surprise."),
    action: "retry",
  },

  // The page itself
  request_malformed: PAGE_FAULT,
  csrf_failed: PAGE_FAULT,
  length_required: PAGE_FAULT,
  not_found: PAGE_FAULT,
  method_not_allowed: PAGE_FAULT,
  wrong_offset: PAGE_FAULT,
  metadata_too_large: PAGE_FAULT,
  part_repeated: PAGE_FAULT,
  inconsistent_length: PAGE_FAULT,
  checksum_unsupported: PAGE_FAULT,
  digest_invalid: PAGE_FAULT,
  append_type_refused: PAGE_FAULT,
  partial_body: PAGE_FAULT,
  precondition_failed: PAGE_FAULT,
  trailing_slash: PAGE_FAULT,
  version_unsupported: PAGE_FAULT,
  page_fault: {
    title: t("This page made a mistake"),
    text: t("The upload was stopped. Reload the page, look at your uploads below, and choose the file again if it is not there."),
    action: "retry",
  },
};

// Refusals that pass by themselves: shown with a countdown, no action needed.
export const WAITS = {
  connection_lost: t("Connection lost"),
  body_cut_off: t("Connection lost"),
  too_slow: t("The connection is too slow at the moment"),
  deadline_passed: t("The connection is too slow at the moment"),
  internal_error: t("Something failed on the server"),
  busy: t("Many uploads are running at the moment"),
  draining: t("The server is restarting"),
  web_busy: t("This site is busy at the moment"),
  no_answer: t("The storage server does not answer at the moment"),
  store_unavailable: t("The storage cannot be reached at the moment"),
  database_unavailable: t("The server cannot keep its records at the moment"),
  upload_in_progress: t("The storage server is still busy with the earlier try"),
  slow_down: t("Too many requests have come from your address"),
  too_many_unfinished: t("Too many of your uploads are unfinished: complete or discard some"),
  too_much_unfinished: t("Your unfinished uploads hold too much: complete or discard some"),
  too_many_unfinished_here: t("Too many of your uploads to this collection are unfinished: complete or discard some"),
  too_much_unfinished_here: t("Your unfinished uploads to this collection hold too much: complete or discard some"),
  too_many_uploads: t("You have begun more uploads today than one person may"),
  too_many_today: t("You have asked for more uploads today than one person may"),
  too_many_at_once: t("Another list of yours is being made"),
  share_taken: t("Your other uploads use all that one person may at a time"),
};
