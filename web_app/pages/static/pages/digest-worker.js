// The SHA-256 of a whole file, away from the page: it answers {done} with the bytes read so far, and in the end {digest} or {fault}.

import { Sha256 } from "./sha256.js";

const PIECE = 4 << 20;

addEventListener("message", async ({ data: file }) => {
  try {
    const sha256 = new Sha256();
    for (let at = 0; at < file.size; at += PIECE) {
      const piece = file.slice(at, at + PIECE);
      const bytes = new Uint8Array(await piece.arrayBuffer());
      if (bytes.length !== piece.size) throw new DOMException("another length", "NotReadableError");
      sha256.update(bytes);
      postMessage({ done: at + bytes.length });
    }
    postMessage({ digest: sha256.hex() });
  } catch (error) {
    postMessage({ fault: error.name });
  }
});
