// What the page says about files that it did not take as they came: of one choice all of it, and of the empty ones that were left out
// as long as they are not sent, however many choices come behind.

import { leftOut } from "./empty.js";

export class Notices {
  #element;
  #announce;
  #said = [];
  #empty = new Map();     // name → [file, its collection]

  constructor(element, announce) {
    [this.#element, this.#announce] = [element, announce];
  }

  /** Something new was chosen: what was said of the choice before is over. */
  begin() {
    this.#said = [];
    this.#show();
  }

  say(text) {
    this.#said.push(text);
    this.#show();
    this.#announce(text);
  }

  leftOut(files, collection) {
    if (files.length === 0) return;
    for (const file of files) this.#empty.set(file.name, [file, collection]);
    this.#show();
    this.#announce(leftOut(files, collection));
  }

  /** These are sent after all. */
  sent(files) {
    for (const { name } of files) this.#empty.delete(name);
    this.#show();
  }

  #show() {
    const empty = [...this.#empty.values()];
    const groups = [true, false].map((takesEmpty) => empty.filter(([, collection]) => collection.takesEmpty === takesEmpty));
    const told = groups.filter((group) => group.length > 0).map((group) => leftOut(group.map(([file]) => file), group[0][1]));
    this.#element.textContent = [...this.#said, ...told].join(" ");
    this.#element.hidden = this.#element.textContent === "";
  }
}
