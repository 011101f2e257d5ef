// What can go wrong, as values that the rest of the page can tell apart.

/** The server answered, and said no: an RFC 9457 problem. `code` is stable; match on it, never on text. */
export class Problem extends Error {
  constructor({ code, status = 0, title = "", detail = "", retryAfter = null }) {
    super(code);
    this.code = code;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;   // seconds, or null
  }

  /** A refusal that cures itself: wait, then ask again. Not `no_space`: somebody has to make room first. */
  get passes() {
    return this.status === 423 || this.status === 429 || this.status === 503;
  }
}

/** No answer, or one that nobody can read: it says nothing about what the other side did. */
export class NoAnswer extends Error {
  constructor(status = 0, options) {
    super(status === 0 ? "network" : `status ${status}`, options);
    this.status = status;
  }
}

/** The answer's JSON, a thrown Problem for a refusal, a thrown NoAnswer for everything else. */
export async function readAnswer(response) {
  let data = null;
  if (response.status !== 204) {
    try {
      data = await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new NoAnswer(response.status);
    }
  }
  if (response.ok) return data;
  if (typeof data?.code !== "string") throw new NoAnswer(response.status);
  throw new Problem({ ...data, status: response.status, retryAfter: retryAfter(response) });
}

/** fetch, with its TypeError ("some network thing") made a NoAnswer. An abort by us stays an AbortError. */
export async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, {
      credentials: "same-origin", cache: "no-store", redirect: "error", ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NoAnswer(0, { cause: error });
  }
  return readAnswer(response);
}

function retryAfter(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
