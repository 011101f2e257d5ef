// What a person's own uploads are called and how far they are. The services tier tells it to this browser, past web_app, and it is kept
// in memory for as long as the page is open: docs/adr/0034.

import { displayName, moment, size, sizeOf } from "./format.js";
import { ask } from "./problem.js";
import { t } from "./text.js";
import { within } from "./wait.js";

const AT_ONCE = 50;                 // ids in one question
const PATIENCE_MS = 15000;
const BEGUN = ["waiting", "receiving", "committing"];
const UNPACKED = {
  unpacking: t("Its files are being put beside it."),
  unpacked: t("Its files lie beside it."),
  not_unpacked: t("Its files could not be put beside it. The folder itself is stored whole."),
};
const FOUND = {
  checking: t("Being checked; not released yet."),
  released: t("Checked and released."),
  quarantined: t("Quarantined: something was found in it. It stays stored, and nobody may use it."),
};

export class Names {
  #api;
  #collection;
  #uploads = new Map();             // upload id → what was told, or null for nothing
  #grants = new Map();              // grant id → [what was told], newest first

  /** `collection`: the slug of one whose coordinator asks for what anybody sent there; without it one's own are asked for. */
  constructor(api, collection) {
    this.#api = api;
    this.#collection = collection;
  }

  /** What is unfinished moves on: ask about these grants again. */
  forget(grants) {
    for (const id of grants) this.#grants.delete(id);
  }

  /** Asks about those that are not known yet. Throws Problem or NoAnswer. */
  async learn({ grants = [], uploads = [] }) {
    const open = [
      ...uploads.filter((id) => !this.#uploads.has(id) || this.#uploads.get(id)?.standing === "checking").map((id) => ["uploads", id]),
      ...grants.filter((id) => !this.#grants.has(id)).map((id) => ["grants", id]),
    ];
    for (let at = 0; at < open.length; at += AT_ONCE) {
      const ids = { grants: [], uploads: [] };
      for (const [kind, id] of open.slice(at, at + AT_ONCE)) ids[kind].push(id);
      await this.#ask(ids);
    }
  }

  /** What is told of a stored upload, else null. */
  stored(uploadId) {
    return this.#uploads.get(uploadId) ?? null;
  }

  /** What was begun under a grant and is not stored, newest first. */
  begun(grantId) {
    return (this.#grants.get(grantId) ?? []).filter(({ state }) => BEGUN.includes(state));
  }

  /** The one that says most of a grant that has brought nothing: what still waits, else what was given up last. */
  newest(grantId) {
    return this.begun(grantId)[0] ?? this.#grants.get(grantId)?.[0] ?? null;
  }

  async #ask(ids) {
    const told = [];
    try {
      const { token, names_url: url } = await this.#api.namesToken({ ...ids, collection: this.#collection });
      const headers = { Authorization: `Bearer ${token}` };
      told.push(...(await ask(new URL(url, location.origin).pathname, { headers, signal: within(PATIENCE_MS) })).uploads);
    } catch (error) {
      if (error.status !== 404) throw error;      // nothing of these is this person's
    }
    for (const id of ids.uploads) this.#uploads.set(id, told.find(({ upload_id: its }) => its === id) ?? null);
    for (const id of ids.grants) this.#grants.set(id, told.filter(({ grant, upload_id: its }) => grant === id && !ids.uploads.includes(its)));
  }
}

/** Puts names into a list of uploads (_uploads.html). A failure leaves the ids, which are right too: false then. */
export async function showNames(root, names) {
  const rows = [...root.querySelectorAll("tr[data-upload], tr[data-grant]")];
  const ids = (kind) => rows.map((row) => row.dataset[kind]).filter((id) => id !== undefined);
  try {
    await names.learn({ uploads: ids("upload"), grants: ids("grant") });
  } catch {
    return false;
  }
  for (const row of rows) {
    const told = row.dataset.upload ? names.stored(row.dataset.upload) : names.newest(row.dataset.grant);
    if (told?.name) showName(row, told);
  }
  return true;
}

/** What a check says of a stored file; empty where its collection asks for none. */
function foundIn({ state, standing }) {
  return (state === "committed" && FOUND[standing]) || "";
}

function showName(row, told) {
  const shown = displayName(told.name);
  row.dataset.name = shown;
  const name = row.querySelector("[data-part=name]");
  name.textContent = shown;
  name.classList.remove("nameless");
  for (const each of row.querySelectorAll("[data-part=named]")) each.textContent = shown;
  const standing = row.querySelector("[data-part=standing]");
  standing.textContent = BEGUN.includes(told.state) ? standingOf(told) : [foundIn(told), UNPACKED[told.folder] ?? ""].join(" ").trim();
  standing.classList.toggle("quarantined", told.standing === "quarantined");
  standing.hidden = standing.textContent === "";
}

/** "16 of 120 MiB are safe, until 3 Dec 2026, 21:00." */
export function standingOf({ offset, length, expires_at: end }) {
  const kept = length === null ? size(offset) : sizeOf(offset, length);
  return end === null ? t("{size} are safe.", { size: kept })
    : t("{size} are safe, until {moment}.", { size: kept, moment: moment(new Date(end)) });
}
