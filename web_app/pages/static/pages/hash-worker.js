// SHA-256 of parts of a file, away from the page, so that reading and hashing never make it stutter. One part at a time.

let last = Promise.resolve();

addEventListener("message", ({ data: { number, part } }) => {
  last = last.then(() => answer(number, part));
});

async function answer(number, part) {
  try {
    const digest = await crypto.subtle.digest("SHA-256", await part.arrayBuffer());
    postMessage({ number, digest: btoa(String.fromCharCode(...new Uint8Array(digest))) });
  } catch (error) {
    postMessage({ number, fault: error.name });
  }
}
