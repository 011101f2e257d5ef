// The page that checks a receipt, and a file against it. Nothing of either leaves the browser.

import { collectionTitle } from "./collections.js";
import { acceptFiles } from "./drop.js";
import { displayName, exactMoment, percent, sizeInFull, sizeOf } from "./format.js";
import { digestLong } from "./hasher.js";
import { withContact } from "./operator.js";
import { Problem } from "./problem.js";
import { looksLikeReceipt, ReceiptError, verifyReceipt } from "./receipt.js";
import { t } from "./text.js";
import { typeInWords } from "./types.js";

const LONGEST_RECEIPT = 16 << 10;       // bytes of a file that may be one

const REFUSED = {
  malformed: t("This is no receipt of Sluice: it does not have the form of one. Was it changed, or cut off on its way?"),
  wrong_type: t("This is a signed statement of another kind, and no receipt."),
  key_unknown: t("It names a key that this Sluice has not published. It may come from another one, or be forged."),
  signature_bad: t("The signature does not fit. What it says was changed after it was signed, or it was forged."),
  claims_bad: withContact(t("It is signed, and yet does not say what a receipt has to say. Show it to your Sluice operator.")),
  wrong_issuer: t("It was signed in another name than this Sluice's."),
  from_the_future: t("It was signed at a time that has not come yet. Is the clock of this computer right?"),
  not_supported: t("This browser cannot check this kind of signature (Ed25519). Use a newer one."),
  keys_missing: t("The published keys could not be fetched, so nothing can be said of it. Try again."),
};

const page = document.querySelector("#verifier");
const part = (id) => document.getElementById(id);
let receipt = null;       // {name, claims, kid} or {name, fault}
let file = null;          // {name, size, done, digest?, fault?}
let running = new AbortController();      // ends the reading of a file that another one replaces

acceptFiles({ input: part("file-input"), overlay: part("drop-overlay"), take });
part("preparing").hidden = true;
part("file-input").disabled = false;

async function take(files) {
  const receipts = [];
  const others = [];
  for (const each of files) {
    // By its name too: one that was cut off on its way looks like nothing.
    const isReceipt = each.size <= LONGEST_RECEIPT && (each.name.endsWith(".jws") || looksLikeReceipt(await each.text()));
    (isReceipt ? receipts : others).push(each);
  }
  // One verdict stands here at a time, so that nobody takes it for another one's.
  part("too-many").hidden = receipts.length <= 1 && others.length <= 1;
  if (!part("too-many").hidden) return;
  for (const each of receipts) await takeReceipt(each);
  for (const each of others) takeFile(each);
}

async function takeReceipt(chosen) {
  try {
    const { kid, claims } = await verifyReceipt(await chosen.text(), await publishedKeys(), page.dataset.issuer);
    receipt = { name: chosen.name, kid, claims };
  } catch (error) {
    receipt = { name: chosen.name, fault: error instanceof ReceiptError ? error.code : "keys_missing" };
  }
  show();
}

async function publishedKeys() {
  const answer = await fetch(page.dataset.keysUrl, { credentials: "omit", redirect: "error" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.json()).keys;
}

async function takeFile(chosen) {
  running.abort();
  const { signal } = running = new AbortController();
  const one = file = { name: chosen.name, size: chosen.size, done: 0 };
  show();
  const tell = (done) => {
    one.done = done;
    show();
  };
  try {
    one.digest = await digestLong(page.dataset.workerUrl, chosen, tell, signal);
  } catch (error) {
    if (signal.aborted) return;       // another file took its place
    one.fault = error instanceof Problem ? t("It changed or went away while it was read. Add it again.")
      : t("A part of this page could not be loaded. Try again.");
  }
  show();
}

function show() {
  part("result").hidden = receipt === null && file === null;
  showReceipt();
  showFile();
}

function showReceipt() {
  const verdict = part("receipt-verdict");
  part("receipt-facts").hidden = receipt?.claims === undefined;
  if (receipt === null) return say(verdict, "wait", t("No receipt yet"), t("Add the receipt too (receipt-….jws): the file is compared with what it says."));
  if (receipt.fault) return say(verdict, "bad", t("This receipt proves nothing"),
    t("“{file}”: {fault}", { file: displayName(receipt.name), fault: REFUSED[receipt.fault] }));
  const { iss, iat, size, collection, sub, media_type, received_at, durable_at, sha256, upload_id, ledger_seq } = receipt.claims;
  say(verdict, "good", t("This receipt is genuine"), t("“{issuer}” signed “{file}” on {moment}. Nothing in it was changed since.",
    { issuer: iss, file: displayName(receipt.name), moment: exactMoment(new Date(iat * 1000)) }));
  const facts = {
    [t("What was stored")]: sizeInFull(size),
    [t("In the collection")]: inWords(collectionTitle(collection), collection),
    [t("Sent by (id)")]: sub,
    [t("First byte taken")]: exactMoment(new Date(received_at)),
    [t("Stored durably")]: exactMoment(new Date(durable_at)),
    [t("Type")]: inWords(typeInWords(media_type), media_type),
    "SHA-256": sha256,
    [t("Upload")]: upload_id,
    [t("Ledger entry")]: `${ledger_seq}`,
    [t("Signed with key")]: receipt.kid,
  };
  part("receipt-facts").replaceChildren(...Object.entries(facts).flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
}

/** What people call it, and what stands in the receipt. */
function inWords(words, signed) {
  return words === signed ? signed : `${words} (${signed})`;
}

function showFile() {
  const verdict = part("file-verdict");
  const name = file === null ? "" : displayName(file.name);
  if (file === null) return say(verdict, "wait", t("No file compared yet"), t("Add the file to see whether it is the one that was stored."));
  if (file.fault) return say(verdict, "bad", t("“{file}” could not be read", { file: name }), file.fault);
  if (file.digest === undefined) {
    return say(verdict, "wait", t("Reading “{file}”", { file: name }), `${sizeOf(file.done, file.size)} (${percent(file.done, file.size)} %)`);
  }
  if (receipt?.claims === undefined) return say(verdict, "wait", t("“{file}” has been read", { file: name }), t("Its SHA-256 is {digest}.", file));
  if (file.digest === receipt.claims.sha256 && file.size === receipt.claims.size) {
    return say(verdict, "good", t("This is the file that was stored"),
      t("All of “{file}”, {size}, is what the receipt states, byte for byte.", { file: name, size: sizeInFull(file.size) }));
  }
  const why = file.size === receipt.claims.size
    ? t("It has the same size, but other contents.")
    : t("It has {size}; the receipt is about {stated}.", { size: sizeInFull(file.size), stated: sizeInFull(receipt.claims.size) });
  return say(verdict, "bad", t("This is not the file of the receipt"), `${t("“{file}” is another one.", { file: name })} ${why}`);
}

function say(verdict, state, title, text) {
  if (verdict.dataset.state !== state || verdict.firstElementChild.textContent !== title) {
    part("announcements").textContent = `${title}. ${text}`;
  }
  verdict.dataset.state = state;
  verdict.replaceChildren(element("h3", title), element("p", text));
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
