// SHA-256 of parts of a file, away from the page, so that reading and hashing never make it stutter. One part at a time.

let last = Promise.resolve();

addEventListener("message", ({ data: { number, part } }) => {
  last = last.then(() => answer(number, part));
});

async function answer(number, part) {
  try {
    const bytes = await part.arrayBuffer();
    // Chromium looks at the date alone: a file that another program cut or went on with in the same second is read as it is now.
    if (bytes.byteLength !== part.size) throw new DOMException("another length", "NotReadableError");
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    postMessage({ number, digest: btoa(String.fromCharCode(...new Uint8Array(digest))) });
  } catch (error) {
    postMessage({ number, fault: error.name });
  }
}
