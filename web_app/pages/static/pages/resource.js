// The upload resource of one grant (docs/upload-api.md): what may be asked of it, and nothing about when.

import { ask } from "./problem.js";

const CHECK_BYTES = 64 * 1024;

export class UploadResource {
  /** The page talks to its own origin only (CSP connect-src 'self'), so the path is all that counts. */
  constructor(uploadUrl) {
    this.path = new URL(uploadUrl, location.origin).pathname;
  }

  /** "Would you take this?" A small request, so that a refusal always comes through. Stores nothing. */
  async check(file, signal) {
    await ask(`${this.path}/check`, {
      method: "POST", body: file.slice(0, CHECK_BYTES), signal,
      headers: { "Upload-Length": String(file.size), "Content-Type": "application/octet-stream" },
    });
  }

  /** The whole file. The browser streams it from disk. */
  async put(file, signal) {
    return ask(this.path, {
      method: "PUT", body: file, signal,
      headers: {
        "Content-Disposition": `attachment; filename*=UTF-8''${encodeFileName(file.name)}`,
        "Content-Type": "application/octet-stream",
      },
    });
  }

  async status(signal) {
    return ask(this.path, { method: "GET", signal, headers: { Accept: "application/json" } });
  }
}

/** RFC 8187 ext-value: UTF-8, percent-encoded, only attr-char left as it is. */
export function encodeFileName(name) {
  // A lone surrogate (possible in Windows names) has no UTF-8 form; TextEncoder makes it U+FFFD.
  const wellFormed = new TextDecoder().decode(new TextEncoder().encode(name));
  return encodeURIComponent(wellFormed).replace(/['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
