// Two files at a time: enough to hide the pauses between files, few enough that slow lines finish one before the next.

const AT_ONCE = 2;

export class Queue {
  #waiting = [];
  #running = new Set();

  add(transfer) {
    this.#waiting.push(transfer);
    this.#next();
  }

  remove(transfer) {
    this.#waiting = this.#waiting.filter((other) => other !== transfer);
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length > 0) {
      const transfer = this.#waiting.shift();
      this.#running.add(transfer);
      // A stored file that still waits for web_app's answer sends nothing: it must not hold the others up.
      const release = () => {
        if (transfer.running && !transfer.safe) return;
        transfer.removeEventListener("change", release);
        if (this.#running.delete(transfer)) this.#next();
      };
      transfer.addEventListener("change", release);
      transfer.run();
    }
  }
}
