// Waiting that can be given up.

const WORK_MS = 12;         // at a time: a frame is 16

/** Resolves after `ms`, or at once when the network comes back; rejects with an AbortError as soon as `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted());
      return;
    }
    const end = (settle, value) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      removeEventListener("online", wake);
      settle(value);
    };
    const stop = () => end(reject, aborted());
    const wake = () => end(resolve);
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", stop);
    addEventListener("online", wake);
  });
}

/** What `promise` brings; rejects with an AbortError as soon as `signal` aborts, whatever becomes of `promise`. */
export function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted());
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** A wait that a person may cut short. */
export class Patience {
  #waiting = null;

  async pause(ms, signal) {
    this.#waiting = new AbortController();
    await pause(ms, AbortSignal.any([signal, this.#waiting.signal])).catch(() => signal.throwIfAborted());
  }

  end() {
    this.#waiting?.abort();
  }
}

/**
 * Lets the page draw and answer in the midst of long work. Not by a timer: in a tab in the background each of these takes a second.
 */
export class Breather {
  #since = performance.now();

  /** Rests where it is time for it; whether it did. */
  async rest() {
    if (performance.now() - this.#since < WORK_MS) return false;
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.addEventListener("message", () => {
        port1.close();
        resolve();
      });
      port1.start();
      port2.postMessage(null);
    });
    this.#since = performance.now();
    return true;
  }
}

/** A signal that aborts with `signal`, or with a TimeoutError after `ms`. */
export function within(ms, signal) {
  const late = AbortSignal.timeout(ms);
  return signal ? AbortSignal.any([signal, late]) : late;
}

/** 1 s, 2 s, 4 s … up to `most`, each moved a little so that many pages do not all come back at once. */
export function backoff(failures, most = 15000) {
  return Math.min(most, 1000 * 2 ** Math.min(failures, 10)) * (0.8 + Math.random() * 0.4);
}

function aborted() {
  return new DOMException("given up", "AbortError");
}
