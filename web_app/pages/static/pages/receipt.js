// Checks a receipt to the letter of docs/token-format.md, as web_app/receipts/verify.py does. No DOM, no network.

const ALGORITHM = "Ed25519";
const TYPE = "upload-receipt+jwt";
const LONGEST = 8192;     // characters
const LEEWAY = 30;        // seconds
const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

const like = (pattern) => (value) => typeof value === "string" && pattern.test(value);
const natural = (value) => Number.isSafeInteger(value) && value >= 0;
const HEX64 = like(/^[0-9a-f]{64}$/);
const UUID7 = like(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const MOMENT = like(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const CLAIMS = {
  iss: (value) => typeof value === "string",
  iat: natural,
  upload_id: UUID7,
  grant: UUID7,
  sub: like(/^[A-Za-z0-9_-]{1,64}$/),
  collection: like(/^[a-z0-9][a-z0-9-]{0,62}$/),
  size: natural,
  sha256: HEX64,
  media_type: like(/^[A-Za-z0-9!#$&^_.+-]{1,127}\/[A-Za-z0-9!#$&^_.+-]{1,127}$/),
  received_at: MOMENT,
  durable_at: MOMENT,
  ledger_seq: natural,
  ledger_head: HEX64,
};

/** `code` is one of malformed, wrong_type, key_unknown, signature_bad, claims_bad, wrong_issuer, from_the_future, not_supported. */
export class ReceiptError extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Whether a text may be a receipt, rather than the file that one is about. */
export function looksLikeReceipt(text) {
  return text.startsWith("eyJ") && FORM.test(text.trim());
}

/**
 * What a receipt says, {kid, claims}, once everything about it is right. `keys` is the published JWK Set, `issuer` whose receipts
 * they sign. Throws ReceiptError.
 */
export async function verifyReceipt(text, keys, issuer, now = Date.now() / 1000) {
  const receipt = text.trim();
  if (receipt.length > LONGEST || !FORM.test(receipt)) throw new ReceiptError("malformed");
  const [head, body, signature] = receipt.split(".");
  const header = parsed(head, "malformed");
  if (Object.keys(header).some((name) => !["alg", "typ", "kid"].includes(name))) throw new ReceiptError("malformed");
  if (header.typ !== TYPE || header.alg !== ALGORITHM) throw new ReceiptError("wrong_type");
  const key = keys.find(({ kid }) => kid === header.kid);
  if (key === undefined) throw new ReceiptError("key_unknown");
  if (!await isSigned(key, signature, `${head}.${body}`)) throw new ReceiptError("signature_bad");
  const claims = parsed(body, "claims_bad");
  if (Object.keys(claims).length !== Object.keys(CLAIMS).length) throw new ReceiptError("claims_bad");
  if (!Object.entries(CLAIMS).every(([name, fits]) => fits(claims[name]))) throw new ReceiptError("claims_bad");
  if (claims.iss !== issuer) throw new ReceiptError("wrong_issuer");
  if (claims.iat > now + LEEWAY) throw new ReceiptError("from_the_future");
  return { kid: key.kid, claims };
}

async function isSigned({ kty, crv, x }, signature, text) {
  try {
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x }, { name: ALGORITHM }, false, ["verify"]);
    return await crypto.subtle.verify({ name: ALGORITHM }, key, bytesOf(signature), new TextEncoder().encode(text));
  } catch (error) {
    if (error.name === "NotSupportedError") throw new ReceiptError("not_supported");
    throw new ReceiptError("signature_bad");
  }
}

function parsed(part, code) {
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(part)));
  } catch {
    throw new ReceiptError(code);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ReceiptError(code);
  return value;
}

function bytesOf(base64url) {
  const base64 = base64url.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
