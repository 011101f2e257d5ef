// The list of what an earlier page left unfinished, and finding the upload that a chosen file belongs to.

import { exactBytes, size } from "./format.js";
import { showTime } from "./history.js";
import { UploadResource } from "./resource.js";
import { recognise } from "./unfinished.js";

export class Leftovers {
  #section;
  #list;
  #template;
  #api;
  #unfinished;
  #titleOf;
  #ask;
  #elseFocus;
  #records = [];
  #taken = new Set();
  #loaded;

  /**
   * `titleOf(slug)`: a collection as people know it, or undefined where it is closed to this person now.
   * `ask(text)`: whether the person means it. `elseFocus` gets the keyboard when the list is empty.
   */
  constructor({ section, list, template }, { api, unfinished }, { titleOf, ask, elseFocus }) {
    this.#section = section;
    this.#list = list;
    this.#template = template;
    this.#api = api;
    this.#unfinished = unfinished;
    this.#titleOf = titleOf;
    this.#ask = ask;
    this.#elseFocus = elseFocus;
    this.#loaded = this.#load();
  }

  /** {record, same} for a file of which a part was sent (see `recognise`), else null. `taken`: upload ids that run in this page. */
  async find(file, taken) {
    try {
      await this.#loaded;
      // Fresh from the browser's memory: another row of this page may have begun or ended something.
      const records = await this.#unfinished.list();
      return await recognise(file, records.filter(({ uploadId }) => !taken.has(uploadId)));
    } catch {
      return null;      // a browser that keeps nothing, or a file that cannot be read: sending it will say so
    }
  }

  /** Another tab may have gone on with one, or have ended it. `taken`: upload ids that have a row in this page. */
  refresh(taken) {
    this.#taken = taken;
    this.#loaded = this.#load();
  }

  /** It goes on in a row of its own. */
  drop(uploadId) {
    this.#records = this.#records.filter((record) => record.uploadId !== uploadId);
    this.#show();
  }

  async #load() {
    try {
      const records = await this.#unfinished.list();
      this.#records = records.filter(({ elsewhere, uploadId }) => !elsewhere && !this.#taken.has(uploadId));
    } catch {
      return;           // a browser that keeps nothing
    }
    this.#show();
    for (const record of this.#records) this.#prune(record);
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
    this.#section.hidden = this.#records.length === 0;
    this.#list.replaceChildren(...this.#records.map((record) => this.#item(record)));
  }

  #item(record) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    const part = (name) => item.querySelector(`[data-part=${name}]`);
    const about = `${size(record.size)} for ${this.#titleOf(record.collection) ?? record.collection}`;
    part("about").textContent = about;
    part("about").title = exactBytes(record.size);
    showTime(part("begun"), new Date(record.begun).toISOString());
    part("safe").hidden = !record.safe;
    part("discard").hidden = record.safe === true;
    part("discard").setAttribute("aria-label", `Discard: ${about}`);
    part("discard").addEventListener("click", (event) => {
      if (event.detail < 2) this.#discard(record, about);      // the second click of two was meant for what stood there before
    });
    return item;
  }

  async #discard({ grantId, uploadId }, about) {
    if (!(await this.#ask(`${about}: what has arrived is removed, and the file has to be sent from its beginning.`))) return;
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
