// Waiting that can be given up.

/** Resolves after `ms`; rejects with an AbortError as soon as `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted());
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(aborted());
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** 1 s, 2 s, 4 s … up to `most`, each moved a little so that many pages do not all come back at once. */
export function backoff(failures, most = 15000) {
  return Math.min(most, 1000 * 2 ** Math.min(failures, 10)) * (0.8 + Math.random() * 0.4);
}

function aborted() {
  return new DOMException("given up", "AbortError");
}
