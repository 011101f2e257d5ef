// The permission of one upload (web_app's grant) and the state of its token: asked for, renewed, given up.

export class Permission {
  #api;
  #token = "none";            // none, fresh (nothing was done with it yet), good, stale
  #triedAnother = false;

  constructor(api, grantId = null) {
    this.#api = api;
    this.grantId = grantId;
  }

  /** Whether a token has to be fetched first. */
  get lacksToken() {
    return this.#token === "none" || this.#token === "stale";
  }

  /** A new permission; its upload URL. */
  async ask(slug, size, signal) {
    const grant = await this.#api.createGrant(slug, size, signal);
    this.grantId = grant.id;
    this.#token = "fresh";
    return grant.upload_url;
  }

  /** Another token for the same upload, at the offset where it stands; its upload URL. */
  async renew(uploadId, signal) {
    const grant = await this.#api.renewToken(this.grantId, uploadId, signal);
    this.#token = "fresh";
    return grant.upload_url;
  }

  /** Something was done with the token. */
  worked() {
    this.#token = "good";
  }

  /** The token was refused as stale. Throws the refusal for one that is fresh and refused twice: a third will not cure it. */
  refused(refusal) {
    const inVain = this.#token === "fresh";
    const again = inVain && !this.#triedAnother;
    this.#token = "stale";
    this.#triedAnother = again;
    if (inVain && !again) throw refusal;
  }

  /** Best effort: what is not given up runs out by itself. The next one to ask for is another one. */
  giveUp(because) {
    if (this.grantId !== null) this.#api.giveUp(this.grantId, because).catch(() => {});
    this.grantId = null;
    this.#token = "none";
  }
}
