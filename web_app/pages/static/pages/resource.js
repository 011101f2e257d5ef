// The upload resource of one permission (docs/upload-api.md, IETF resumable uploads): what may be asked of it, not when.

import { ask, exchange, Problem } from "./problem.js";
import { within } from "./wait.js";

export const FIRST_BYTES = 64 * 1024;     // enough for the services tier to see the type
const PARTIAL = "application/partial-upload";
const ASK_MS = 10000;                     // a small question without an answer: the line is dead
const CREATE_MS = 40000;                  // 64 KiB at the slowest rate that is taken

export class UploadResource {
  constructor(uploadUrl, uploadId = null) {
    this.uploadId = uploadId;
    this.use(uploadUrl);
  }

  /** Another token for the same. The page talks to its own origin only (CSP connect-src 'self'): the path is what counts. */
  use(uploadUrl) {
    this.path = new URL(uploadUrl, location.origin).pathname;
  }

  /** Begins an upload with its first bytes: a small request, so that a refusal always comes through. A short file is whole. */
  async create(file, first, digest, signal) {
    const whole = first === file;
    const { data, headers } = await exchange(this.path, {
      method: "POST", body: first, signal: within(CREATE_MS, signal),
      headers: {
        "Content-Type": whole ? "application/octet-stream" : PARTIAL,
        "Content-Disposition": `attachment; filename*=UTF-8''${encodeFileName(file.name)}`,
        "Content-Digest": `sha-256=:${digest}:`,
        "Upload-Complete": whole ? "?1" : "?0",
        "Upload-Length": String(file.size),
      },
    });
    this.uploadId = headers.get("X-Upload-Id");
    return data;
  }

  /** The committed upload after the last piece, null before. The browser streams the bytes from disk. */
  async append({ start, part, final, digest }, signal) {
    return ask(this.#one, {
      method: "PATCH", body: part, signal,
      headers: {
        "Content-Type": PARTIAL,
        "Content-Digest": `sha-256=:${digest}:`,
        "Upload-Complete": final ? "?1" : "?0",
        "Upload-Offset": String(start),
      },
    });
  }

  /** All uploads of the permission. */
  async status(signal) {
    return ask(this.path, { signal: within(ASK_MS, signal) });
  }

  /** This one, out of all: a question to the upload itself would make the request that sends let go (`settle`). */
  async state(signal) {
    const { uploads } = await this.status(signal);
    const upload = uploads.find(({ upload_id: id }) => id === this.uploadId);
    if (upload === undefined) throw new Problem({ code: "upload_unknown", status: 404 });
    return upload;
  }

  /** Makes a request that still runs there let go, so that the offset which is asked for next stays true. */
  async settle(signal) {
    await ask(this.#one, { method: "HEAD", signal: within(ASK_MS, signal) });
  }

  async cancel(signal) {
    await ask(this.#one, { method: "DELETE", signal: within(ASK_MS, signal) });
  }

  get #one() {
    return `${this.path}/${this.uploadId}`;
  }
}

/** RFC 8187 ext-value: UTF-8, percent-encoded, only attr-char left as it is. */
export function encodeFileName(name) {
  // A lone surrogate (possible in Windows names) has no UTF-8 form; TextEncoder makes it U+FFFD.
  const wellFormed = new TextDecoder().decode(new TextEncoder().encode(name));
  return encodeURIComponent(wellFormed).replace(/['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
