// The list of what is unfinished, and finding the upload that a chosen file belongs to: what an earlier page of this browser left, and what
// this person began elsewhere, or before signing out here.

import { displayName, exactBytes, size } from "./format.js";
import { foldersOf } from "./folder.js";
import { showTime } from "./history.js";
import { standingOf } from "./names.js";
import { UploadResource } from "./resource.js";
import { t } from "./text.js";
import { recognise } from "./unfinished.js";

const LOOK_AGAIN_MS = 5000;

export class Leftovers {
  #section;
  #list;
  #template;
  #api;
  #unfinished;
  #titleOf;
  #ask;
  #elseFocus;
  #open;
  #names;
  #choose;
  #records = [];
  #remote = [];
  #again = null;
  #taken = new Set();
  #loaded;

  /**
   * `titleOf(slug)`: a collection as people know it.
   * `ask(text)`: whether the person means it. `elseFocus` gets the keyboard when the list is empty. `choose(record, files, folders)`:
   * this one file or folder (folder.js) is said to be that upload's. The section's `data-open`: grants under which there may be something.
   */
  constructor({ section, list, template }, { api, unfinished, names }, { titleOf, ask, elseFocus, choose }) {
    this.#section = section;
    this.#list = list;
    this.#template = template;
    this.#api = api;
    this.#unfinished = unfinished;
    this.#titleOf = titleOf;
    this.#ask = ask;
    this.#elseFocus = elseFocus;
    this.#open = section.dataset.open.split(" ").filter((id) => id !== "");
    this.#names = names;
    this.#choose = choose;
    this.#loaded = this.#load();
  }

  /** {record, same} for a file of which a part was sent (see `recognise`), else null. `taken`: upload ids that run in this page. */
  async find(file, taken) {
    try {
      await this.#loaded;
      // Fresh from the browser's memory: another row of this page may have begun or ended something.
      const records = await this.#unfinished.list();
      const found = await recognise(file, records.filter(({ uploadId }) => !taken.has(uploadId)));
      if (found !== null) return found;
    } catch {
      // A browser that keeps nothing, or a file that cannot be read: sending it will say so.
    }
    const named = (record) => record.told.name === file.name && record.size === file.size && record.told.state === "waiting";
    const record = this.#remote.find((each) => named(each) && !taken.has(each.uploadId));
    return record === undefined ? null : { record, same: true };
  }

  /** Another tab may have gone on with one, or have ended it. `taken`: upload ids that have a row in this page. */
  refresh(taken) {
    this.#taken = taken;
    this.#loaded = this.#load();
  }

  /** It goes on in a row of its own. */
  drop(uploadId) {
    this.#records = this.#records.filter((record) => record.uploadId !== uploadId);
    this.#remote = this.#remote.filter((record) => record.uploadId !== uploadId);
    this.#show();
  }

  async #load() {
    // A browser that keeps nothing has none.
    const records = await this.#unfinished.list().catch(() => []);
    this.#records = records.filter(({ elsewhere, uploadId }) => !elsewhere && !this.#taken.has(uploadId));
    this.#show();
    for (const record of this.#records) this.#prune(record);
    await this.#loadNames(new Set([...this.#taken, ...records.map(({ uploadId }) => uploadId)]));
  }

  /** What the services tier knows: the names of these, and what was begun elsewhere. Without it only the ids' own facts are shown. */
  async #loadNames(known) {
    const grants = [...new Set([...this.#records.map(({ grantId }) => grantId), ...this.#open])];
    if (grants.length === 0) return;
    try {
      this.#names.forget(grants);
      await this.#names.learn({ grants });
    } catch {
      return;
    }
    const told = grants.flatMap((grantId) => this.#names.begun(grantId));
    this.#records = this.#records.map((record) => ({ ...record, told: told.find(({ upload_id: id }) => id === record.uploadId) }));
    this.#remote = told.filter(({ upload_id: id, length, state }) => !known.has(id) && length !== null && state !== "committing")
      .map((each) => ({
        grantId: each.grant, uploadId: each.upload_id, collection: each.collection, size: each.length,
        begun: Date.parse(each.received_at), byDigest: true, told: each,
      }));
    this.#show();
    // Only a moment ago, perhaps: then it is soon known to wait.
    clearTimeout(this.#again);
    if (this.#remote.some(isUnderWay)) this.#again = setTimeout(() => this.refresh(this.#taken), LOOK_AGAIN_MS);
  }

  /** The server may have heard of its end from somebody else. */
  async #prune({ grantId, uploadId }) {
    try {
      const { state } = await this.#api.grant(grantId);
      if (state === "issued" || state === "expired") return;    // what ran out may still be renewed by web_app, or say why not
    } catch (error) {
      if (error.status !== 404) return;
    }
    await this.#unfinished.forget(uploadId);
    this.drop(uploadId);
  }

  #show() {
    const all = [...this.#records, ...this.#remote];
    this.#section.hidden = all.length === 0;
    // The keyboard keeps its place on the page.
    const { activeElement } = document;
    const place = this.#list.contains(activeElement) ? [activeElement.closest("li").dataset.unfinished, activeElement.dataset.part] : null;
    this.#list.replaceChildren(...all.map((record) => this.#item(record)));
    if (place !== null) this.#list.querySelector(`[data-unfinished="${place[0]}"] [data-part="${place[1]}"]`)?.focus();
  }

  get count() {
    return this.#records.length + this.#remote.length;
  }

  #item(record) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    item.dataset.unfinished = record.uploadId;
    const part = (name) => item.querySelector(`[data-part=${name}]`);
    const about = t("{size} for {collection}", { size: size(record.size), collection: this.#titleOf(record.collection) });
    const name = record.told?.name ? displayName(record.told.name) : null;
    part("about").textContent = name ?? about;
    part("where").textContent = name === null ? "" : `${about}. `;
    part("about").title = exactBytes(record.size);
    if (record.told && !record.safe) {
      const now = isUnderWay(record) ? `${t("Sent elsewhere now, or cut off a moment ago;")} ` : "";
      part("standing").textContent = `. ${now}${standingOf(record.told)}`;
    }
    // Of what was begun elsewhere nobody here knows whether it was a folder, or an archive that somebody had made of one.
    const isFolder = record.folder ?? (record.told?.name?.endsWith(".tar") ? null : false);
    part("choose").hidden = record.safe === true || isFolder === true;
    part("choose").setAttribute("aria-label", t("Choose this file: {file}", { file: name ?? about }));
    part("choose").addEventListener("click", () => choose({}, ([file]) => this.#choose(record, [file], [])));
    part("choose-folder").hidden = record.safe === true || isFolder === false;
    part("choose-folder").setAttribute("aria-label", t("Choose this folder: {file}", { file: name ?? about }));
    part("choose-folder").addEventListener("click", () => choose({ webkitdirectory: true }, (files) => {
      this.#choose(record, [], foldersOf(files));
    }));
    showTime(part("begun"), new Date(record.begun).toISOString());
    part("safe").hidden = !record.safe;
    part("discard").hidden = record.safe === true;
    part("discard").setAttribute("aria-label", t("Discard: {file}", { file: name ?? about }));
    part("discard").addEventListener("click", (event) => {
      if (event.detail < 2) this.#discard(record, name === null ? about : `${name}, ${about}`);      // the second click of two was meant for what stood there before
    });
    return item;
  }

  async #discard({ grantId, uploadId }, about) {
    if (!(await this.#ask(t("{file}: what has arrived is removed, and the file has to be sent from its beginning.", { file: about })))) return;
    // Not what another tab sends meanwhile.
    const letGo = await this.#unfinished.hold(uploadId);
    if (letGo === null) {
      this.refresh(this.#taken);
      return;
    }
    this.drop(uploadId);
    // The button that was pressed is gone.
    (this.#list.querySelector("[data-part=about]") ?? this.#elseFocus).focus();
    // First, or the same file chosen a moment later would go on with what is being removed.
    await this.#unfinished.forget(uploadId);
    try {
      const { upload_url: url } = await this.#api.renewToken(grantId, uploadId);
      await new UploadResource(url, uploadId).cancel();
    } catch {
      // It runs out by itself.
    }
    this.#api.giveUp(grantId).catch(() => {});
    letGo();
  }
}

/** Of one that nobody in this browser sends. */
function isUnderWay({ byDigest, told }) {
  return byDigest === true && told?.state === "receiving";
}

function choose(what, take) {
  const input = Object.assign(document.createElement("input"), { type: "file", ...what });
  input.addEventListener("change", () => {
    if (input.files.length > 0) take([...input.files]);
  });
  input.click();
}
