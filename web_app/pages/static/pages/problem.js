// What can go wrong, as values that the rest of the page can tell apart.

const PASSING = new Set([408, 423, 429, 500, 502, 503, 504]);

/** The server answered, and said no: an RFC 9457 problem. `code` is stable; match on it, never on text. */
export class Problem extends Error {
  constructor({ code, status = 0, title = "", detail = "", detected = "", quota = null, unit = null, limit = null, left = null,
    retryAfter = null, offset = null, path = null }) {
    super(code);
    this.code = code;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.detected = detected;       // a media type, beside `type_refused`
    this.quota = quota === null ? null : { quota, unit, limit, left };      // which it is, beside `quota_exceeded`
    this.path = path;               // of a file in a folder, beside `file_unreadable`; it never leaves the page
    this.retryAfter = retryAfter;   // seconds, or null
    this.offset = offset;           // where the upload stands, beside `wrong_offset`
  }

  /** A refusal that cures itself: wait, then go on. Not `no_space`: somebody has to make room first. */
  get passes() {
    return PASSING.has(this.status) || this.code === "body_cut_off";
  }
}

/** No answer, or one that nobody can read: it says nothing about what the other side did. */
export class NoAnswer extends Error {
  constructor(status = 0, options) {
    super(status === 0 ? "network" : `status ${status}`, options);
    this.status = status;
  }
}

/** It cures itself, if it is tried again. */
export function isPassing(error) {
  return error instanceof NoAnswer || (error instanceof Problem && error.passes);
}

/** Why it has to be tried again. A file that changed or vanished looks like a cut line, so it is asked first: then that is thrown. */
export async function reasonOf(error, file) {
  if (error instanceof Problem && error.code !== "body_cut_off") return error;
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem({ code: "file_unreadable" });
  }
  return new Problem({ code: "connection_lost" });
}

/** The answer's JSON, or null for none; a thrown Problem for a refusal, a thrown NoAnswer for everything else. */
export async function ask(url, options) {
  return (await exchange(url, options)).data;
}

/** The same, with the answer's headers: {data, headers}. An abort by us stays an AbortError. */
export async function exchange(url, options) {
  let response;
  let text;
  try {
    response = await fetch(url, {
      credentials: "same-origin", cache: "no-store", redirect: "error", ...options,
      headers: { Accept: "application/json", ...options.headers },
    });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // fetch's TypeError ("some network thing"), or nothing came in time.
    throw new NoAnswer(0, { cause: error });
  }
  const { headers } = response;
  const data = parsed(text);
  if (response.ok && data !== undefined) return { data, headers };
  if (typeof data?.code !== "string") throw new NoAnswer(response.status);
  throw new Problem({
    ...data, status: response.status, retryAfter: number(headers, "Retry-After"), offset: number(headers, "Upload-Offset"),
  });
}

/** null for an empty text, undefined for one that is no JSON. */
function parsed(text) {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function number(headers, name) {
  const value = headers.get(name);
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}
