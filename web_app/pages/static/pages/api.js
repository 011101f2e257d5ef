// web_app's API, as the signed-in person. Ids, sizes and receipts only: no file name ever goes this way.

import { ask, NoAnswer, Problem } from "./problem.js";
import { within } from "./wait.js";

const PATIENCE_MS = 30000;
const AT_ONCE = 100;            // of a list, or sizes to look for

export class WebApi {
  #csrfToken;
  #sessionUrl;
  #creating = Promise.resolve();

  #signedIn;

  /** `signedIn` is called when this person turns out to have signed in again. */
  constructor({ csrfToken, sessionUrl, person }, signedIn) {
    this.#csrfToken = csrfToken;
    this.#sessionUrl = sessionUrl;
    this.#signedIn = signedIn;
    this.person = person;
  }

  /** One after the other: the first answer sets the cookie that this browser's later tokens are bound to. */
  createGrant(collection, size, signal) {
    const create = () => this.#send("POST", "/api/v1/uploads", { collection, size, max_uploads: 1 }, signal);
    const grant = this.#creating.then(create, create);
    this.#creating = grant;
    return grant;
  }

  postReceipt(receipt, signal) {
    return this.#send("POST", "/api/v1/receipts", { receipt }, signal);
  }

  /** `because`: the code of what the page met; without it the person wants it so. */
  giveUp(grantId, because) {
    return this.#send("DELETE", `/api/v1/uploads/${grantId}${because ? `?because=${encodeURIComponent(because)}` : ""}`);
  }

  /** A new token for an upload that is under way. */
  renewToken(grantId, uploadId, signal) {
    return this.#send("POST", `/api/v1/uploads/${grantId}/token`, { upload_id: uploadId }, signal);
  }

  /** For what of these is this person's: {token, names_url}, bound to this browser. */
  namesToken(ids, signal) {
    return this.#send("POST", "/api/v1/names", ids, signal);
  }

  /** Own grants under which something of one of these sizes is stored in that collection, newest first. */
  async stored(collection, sizes, signal) {
    const query = new URLSearchParams({ collection, stored_size: sizes.join(","), limit: String(AT_ONCE) });
    return (await this.#send("GET", `/api/v1/uploads?${query}`, undefined, signal)).uploads;
  }

  /** Where this person may upload, with what is left of each quota there. */
  async collections(signal) {
    return (await this.#send("GET", "/api/v1/collections?left=yes", undefined, signal)).collections;
  }

  grant(grantId, signal) {
    return this.#send("GET", `/api/v1/uploads/${grantId}`, undefined, signal);
  }

  /**
   * Who is signed in now. Signing in again, in another tab, changes the CSRF token; another person signing in must not
   * take over uploads that somebody else began.
   */
  async refreshSession(signal) {
    const session = await ask(this.#sessionUrl, { signal: within(PATIENCE_MS, signal) });
    if (session.person !== this.person) throw new Problem({ code: "another_person", status: 403 });
    this.#csrfToken = session.csrf_token;
    this.#signedIn();
  }

  async #send(method, path, body, signal) {
    try {
      return await this.#once(method, path, body, signal);
    } catch (error) {
      if (!staleSession(error)) throw error;
      await this.refreshSession(signal);
      return this.#once(method, path, body, signal);
    }
  }

  async #once(method, path, body, signal) {
    const headers = { "X-CSRFToken": this.#csrfToken };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await ask(path, { method, signal: within(PATIENCE_MS, signal), headers, body: body && JSON.stringify(body) });
    } catch (error) {
      // Not to be mixed up with a token's 401: this one is about the person.
      if (error.status === 401) throw new Problem({ code: "sign_in_required", status: 401 });
      throw error;
    }
  }
}

/** A CSRF refusal: the page's token is older than the session. Any other 403 is about the request itself. */
function staleSession(error) {
  return (error instanceof Problem && error.code === "csrf_failed")
    || (error instanceof NoAnswer && error.status === 403);
}
