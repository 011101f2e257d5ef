// For uploads of hours, and only where the person asks for it: the screen stays awake while files are sent, and a notice on the desktop
// tells when nothing is sent any more. Numbers only: a notice stays in the system's list, where others may read it.

import { isUnderWay } from "./summary.js";
import { t, tn } from "./text.js";

export class Vigil {
  #awake;
  #notice;
  #announce;
  #lock = null;
  #busy = false;

  /** `awake` and `notice`: checkboxes, in labels that are hidden where the browser has no such thing. */
  constructor({ awake, notice }, announce) {
    [this.#awake, this.#notice, this.#announce] = [awake, notice, announce];
    awake.closest("label").hidden = !("wakeLock" in navigator);
    notice.closest("label").hidden = !("Notification" in window);
    awake.addEventListener("change", () => this.#stayAwake());
    notice.addEventListener("change", () => this.#askLeave());
    // The browser lets the screen go with every change to another tab.
    document.addEventListener("visibilitychange", () => this.#stayAwake());
  }

  /** What is under way has changed. */
  look(transfers) {
    const busy = transfers.some((each) => isUnderWay(each) && each.state !== "paused");
    if (busy === this.#busy) return;
    this.#busy = busy;
    this.#stayAwake();
    if (!busy && this.#notice.checked) this.#tell(transfers);
  }

  async #stayAwake() {
    const wanted = () => this.#awake.checked && this.#busy && !document.hidden;
    if (!wanted()) {
      this.#lock?.release();
      this.#lock = null;
    } else if (this.#lock === null || this.#lock.released) {
      // A battery that is low, say: then it is as without it.
      this.#lock = await navigator.wakeLock.request("screen").catch(() => null);
      if (!wanted()) await this.#stayAwake();
    }
  }

  async #askLeave() {
    if (!this.#notice.checked || await Notification.requestPermission() === "granted") return;
    this.#notice.checked = false;
    this.#announce(t("Your browser does not allow this page to show notices."));
  }

  #tell(transfers) {
    const stopped = transfers.filter(({ state }) => state === "stopped").length;
    const stored = transfers.filter(({ safe }) => safe).length;
    if (stored + stopped === 0) return;
    const said = [tn(stored, "{count} file stored.", "{count} files stored.")];
    if (stopped > 0) said.push(tn(stopped, "{count} file could not be sent; please look.", "{count} files could not be sent; please look."));
    new Notification("Sluice", { body: said.join(" ") });
  }
}
