// "Your uploads" and a coordinator's page: filters in place, finds by name, sorts by name, prints. web_app lists by what it knows; what is a matter of names
// happens here, over rows that the page has fetched: what is typed goes nowhere.

import { download, table } from "./export.js";
import { localTimes, showTime } from "./history.js";
import { showNames } from "./names.js";
import { t, tn } from "./text.js";
import { within } from "./wait.js";

const MOST_ROWS = 1000;
const PATIENCE_MS = 30000;
const TYPING_MS = 250;
const BY_NAME = "name";

export class Listing {
  #root;
  #names;
  #announce;
  #turn = Promise.resolve();
  #all = null;              // every row of what is filtered, once somebody looks for a name
  #count = "";
  #typing = null;

  constructor(root, names, announce) {
    [this.#root, this.#names, this.#announce] = [root, names, announce];
    const find = this.#part("#find");
    find.closest("[hidden]").hidden = false;
    this.#part("#print").hidden = false;
    this.#part("#order").append(new Option(t("By name"), BY_NAME));
    find.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#inTurn(() => this.#show()), TYPING_MS);
    });
    this.#part("#filters").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#inTurn(() => this.#filter());
    });
    this.#part("#filters").addEventListener("change", (event) => {
      if (event.target !== find) this.#inTurn(() => this.#filter());
    });
    this.#part("#print").addEventListener("click", () => this.#inTurn(() => this.#print()));
    addEventListener("beforeprint", () => this.#head());
    this.#offerNames();
    this.#remember();
    // Days of another zone than the times that stand beside them would be a riddle.
    const other = this.#part("[name=zone]").value !== ZONE;
    this.#part("[name=zone]").value = ZONE;
    this.#inTurn(() => (other && this.#countsDays ? this.#filter() : this.#dress(this.#root)));
  }

  get #wanted() {
    return this.#part("#find").value.trim().toLocaleLowerCase();
  }

  get #byName() {
    return this.#part("#order").value === BY_NAME;
  }

  /** Whether anything here depends on when a day begins. */
  get #countsDays() {
    return ["#since", "#until"].some((day) => this.#part(day).value !== "") || this.#part("#totals") !== null;
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }

  /** One thing after the other, or an answer that comes late would overwrite a newer one. */
  #inTurn(step) {
    this.#turn = this.#turn.then(step).catch(() => this.#announce(t("The list could not be loaded. Try again.")));
  }

  async #dress(root) {
    localTimes(root);
    this.#part("[data-part=zone]").textContent = t("Times and days in {zone}.", { zone: ZONE });
    if (!(await showNames(root, this.#names))) this.#announce(t("Names cannot be shown now; the ids stand in their place."));
  }

  /** What the page came with, or was filtered to: looking for a name begins from there. */
  #remember() {
    this.#all = null;
    this.#count = this.#part("[data-part=count]").textContent;
  }

  async #filter() {
    const query = new URLSearchParams(new FormData(this.#part("#filters")));
    if (this.#byName) query.delete("order");
    for (const [name, value] of [...query]) if (value === "" || value === "newest") query.delete(name);
    if (!this.#countsDays) query.delete("zone");
    const address = query.size > 0 ? `?${query}` : location.pathname;
    this.#take(await this.#fetched(address));
    history.replaceState(null, "", address);
    this.#remember();
    await this.#dress(this.#root);
    await this.#show();
  }

  #take(page) {
    for (const selector of ["#list", ".on-paper", "[data-part=count]", "#totals", "#exports"]) {
      this.#part(selector)?.replaceChildren(...page.querySelector(selector).childNodes);
    }
    this.#offerNames();
    this.#part("#pages")?.remove();
    const pages = page.querySelector("#pages");
    if (pages !== null) this.#root.append(pages);
  }

  /** The rows that are looked for, of all pages; or the page as it came. */
  async #show() {
    const wanted = this.#wanted;
    if (wanted === "" && !this.#byName && this.#all === null) return;
    this.#all ??= await this.#everything();
    const fits = (row) => `${row.dataset.name ?? ""} ${row.textContent}`.toLocaleLowerCase().includes(wanted);
    const found = this.#all.rows.filter(fits);
    if (this.#byName) found.sort((a, b) => collator.compare(nameOf(a), nameOf(b)));
    this.#part("#list tbody")?.replaceChildren(...found);
    this.#part("#list table")?.toggleAttribute("hidden", found.length === 0);
    this.#part("[data-part=nothing]").hidden = found.length > 0 || this.#all.rows.length === 0;
    this.#part("[data-part=count]").textContent = counted(wanted === "" ? null : found.length, this.#all);
  }

  /** Every row of what is filtered, from its first page on, MOST_ROWS at most. */
  async #everything() {
    const rows = [];
    const address = new URL(location.href);
    address.searchParams.delete("page");
    let next = `${address.pathname}${address.search}`;
    while (next && rows.length < MOST_ROWS) {
      const page = await this.#fetched(next);
      const list = page.querySelector("#list");
      await this.#dress(list);
      rows.push(...list.querySelectorAll("tbody tr"));
      next = page.querySelector("#pages [rel=next]")?.getAttribute("href");
    }
    this.#part("#pages")?.remove();
    return { rows, more: Boolean(next) };
  }

  /** All of what is filtered and looked for, not the one page. */
  async #print() {
    this.#all ??= await this.#everything();
    await this.#show();
    print();
  }

  /** The list as a file, with names: it is made here, since web_app has none. Only on a coordinator's page. */
  #offerNames() {
    const button = this.#part("[data-part=with-names]");
    if (button === null) return;
    button.hidden = false;
    button.addEventListener("click", () => this.#inTurn(async () => {
      this.#all ??= await this.#everything();
      await this.#show();
      const rows = [...this.#root.querySelectorAll("#list tbody tr")];
      download(`${this.#root.dataset.collection}-with-names.csv`, table(rows));
      const said = [tn(rows.length, "{count} row saved with names.", "{count} rows saved with names.")];
      if (this.#all.more) said.push(t("These are the newest {all}; choose dates or a person for the rest.", { all: this.#all.rows.length }));
      this.#announce(said.join(" "));
    }));
  }

  /** What stands on paper alone: when, and what was looked for. */
  #head() {
    showTime(this.#part("[data-part=printed]"), new Date().toISOString());
    this.#part("[data-part=printed-zone]").textContent = ` (${ZONE})`;
    const wanted = this.#part("#find").value.trim();
    this.#part("[data-part=searched]").textContent = wanted === "" ? "" : t(", with “{text}” in name or row", { text: wanted });
  }

  async #fetched(address) {
    const page = await fetched(address);
    // Somebody else has signed in since: their rows are not to stand in this person's page.
    if (page.querySelector(`#${this.#root.id}`)?.dataset.person === this.#root.dataset.person) return page;
    location.reload();
    throw new Error("another person");
  }
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** How many were found of those that are listed; null for all of them. */
function counted(found, { rows: { length: all }, more }) {
  if (found === null && more) return t("All of the first {all} uploads; choose dates or a collection to see the rest.", { all });
  if (found === null) return tn(all, "All of {count} upload.", "All of {count} uploads.");
  if (more) return t("{found} of the first {all} uploads; choose dates or a collection to see the rest.", { found, all });
  return tn(all, "{found} of {count} upload.", "{found} of {count} uploads.", { found });
}

function nameOf(row) {
  return row.dataset.name ?? "\uffff";
}

async function fetched(address) {
  const response = await fetch(new URL(address, location.href), {
    credentials: "same-origin", cache: "no-store", redirect: "error", signal: within(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
