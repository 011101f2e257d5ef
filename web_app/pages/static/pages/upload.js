// The upload page: ties the chooser, the queue, the rows and the announcements together.

import { announcer } from "./announce.js";
import { WebApi } from "./api.js";
import { chosenCollection, collectionInputs, collectionOf } from "./collections.js";
import { enableCopying } from "./copy.js";
import { mayDiscard, mayGiveUp } from "./discard.js";
import { acceptFiles } from "./drop.js";
import { askAboutEmpty, leftOut } from "./empty.js";
import { count, displayName, percent } from "./format.js";
import { Hasher } from "./hasher.js";
import { localTimes, refreshHistory } from "./history.js";
import { Leftovers } from "./leftovers.js";
import { describe } from "./messages.js";
import { Queue } from "./queue.js";
import { Row } from "./row.js";
import { Transfer } from "./send.js";
import { alike, Unfinished } from "./unfinished.js";

const byId = (id) => document.getElementById(id);

const page = byId("uploader");
const announce = announcer(byId("announcements"));
const unfinished = new Unfinished(page.dataset.person);
const api = new WebApi({ ...page.dataset }, () => unfinished.signedIn());
const tools = { api, hasher: new Hasher(page.dataset.hasherUrl), unfinished };
const leftovers = new Leftovers(
  { section: byId("unfinished"), list: byId("unfinished-list"), template: byId("unfinished-row") }, tools,
  {
    titleOf: (slug) => collectionOf(slug)?.title, ask: (text) => mayDiscard(byId("discard"), text), elseFocus: byId("file-input"),
  },
);
const queue = new Queue();
const rows = new Map();             // Transfer → Row
const SPOKEN = new Set(["sending", "waiting", "paused", "stopped", "cancelled", "stored"]);
const held = [];                    // files that came before a collection was chosen
const plainTitle = document.title;
let taking = Promise.resolve();     // what was chosen first has its rows before what was chosen next is looked at

acceptFiles({
  input: byId("file-input"), overlay: byId("drop-overlay"),
  take: (files, folders) => {
    // Chromium looks at a file's size and date only now; what is done to it after it was chosen then counts as a change.
    for (const file of files) file.slice(0, 0);
    inTurn(() => take(files, folders));
  },
});
enableCopying(document, announce);
localTimes(document);

for (const choice of collectionInputs()) choice.addEventListener("change", showHeld);
byId("held-start").addEventListener("click", () => inTurn(async () => {
  (await start(held.splice(0)) ?? byId("file-input")).focus();
}));
byId("held-drop").addEventListener("click", () => {
  held.length = 0;
  showHeld();
  byId("file-input").focus();
});
byId("clear-ended").addEventListener("click", () => {
  for (const transfer of [...rows.keys()].filter(isOver)) remove(transfer);
  showList();
  byId("file-input").focus();
});
addEventListener("beforeunload", (event) => {
  if (held.length > 0 || [...rows.keys()].some((each) => !each.safe && !isOver(each))) event.preventDefault();
});
addEventListener("focus", comeBack);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) comeBack();
});
byId("preparing").remove();

function inTurn(step) {
  taking = taking.catch(() => {}).then(step);
}

/** From another tab, where the person may have signed in again, or gone on with what is listed here. */
function comeBack() {
  resumeAfterSignIn();
  leftovers.refresh(uploadIds());
  refreshHistory(byId("recent"));
}

function uploadIds() {
  return new Set([...rows.keys()].map((each) => each.uploadId));
}

async function take(files, folders) {
  if (folders > 0) notify("Folders cannot be uploaded. Pack a folder into one archive (for example ZIP) and choose that.");
  else notify(files.length === 0 ? "The browser was given no file with that. Choose the file with the button instead." : "");
  const fresh = [];
  for (const file of files) {
    if (!(await goOn(file))) fresh.push(file);
  }
  if (chosenCollection() !== null) {
    if (held.length + fresh.length > 0) await start([...held.splice(0), ...fresh]);
    return;
  }
  if (fresh.length === 0) return;
  held.push(...fresh);
  showHeld();
  announce(`${count(fresh.length)} chosen. Choose a collection first.`);
  collectionInputs()[0]?.focus();
}

/** Whether a file belongs to an upload that was begun before: then that one goes on, or the file is refused as another. */
async function goOn(file) {
  const slugNow = chosenCollection()?.slug;
  const sending = [...rows.keys()].filter((each) => isUnderWay(each) && [undefined, each.collection.slug].includes(slugNow));
  const listed = await alike(file, sending);
  if (listed !== null) {
    if (listed.state === "paused") again(listed);
    listed.hurry();
    rows.get(listed).focus();
    notify(`${displayName(file.name)} is in the list already.`);
    return true;
  }
  if (await alike(file, held.map((each) => ({ file: each }))) !== null) {
    notify(`${displayName(file.name)} is chosen already.`);
    return true;
  }
  const live = [...rows.keys()].filter((each) => each.uploadId !== null && !each.ended);
  const found = await leftovers.find(file, new Set(live.map((each) => each.uploadId)));
  if (found === null) return false;
  const { uploadId, elsewhere, collection: slug } = found.record;
  // What another tab sends is no reason against another file of that name here.
  if (elsewhere && !found.same) return false;
  const collection = collectionOf(slug);
  if (collection === null) {
    refuse(new Transfer(file, { slug, title: slug, maxSize: Infinity, types: "" }, tools), "collection_closed");
    showList();
    return true;
  }
  if (found.same) {
    // It stopped in this page, say because its disk was away: the new row takes its place.
    for (const transfer of [...rows.keys()].filter((each) => each.uploadId === uploadId)) dismiss(transfer);
    leftovers.drop(uploadId);
    const transfer = new Transfer(file, collection, tools, found.record);
    if (elsewhere) refuse(transfer, "in_another_tab");
    else enter(transfer);
    if (slugNow !== undefined && slugNow !== slug) notify(`${displayName(file.name)} goes on in ${collection.title}, where it was begun.`);
  } else {
    refuse(new Transfer(file, collection, tools), "another_file");
  }
  showList();
  return true;
}

/** The first row, or undefined where the person left all files out. */
async function start(chosen) {
  const collection = chosenCollection();
  showHeld();
  const [files, empty] = await askAboutEmpty(byId("empty"), chosen, collection);
  if (empty.length > 0) notify(leftOut(empty, collection));
  const [first] = files.map((file) => enter(new Transfer(file, collection, tools)));
  showList();
  first?.element.scrollIntoView({ block: "nearest" });
  return first;
}

function refuse(transfer, code) {
  show(transfer);
  transfer.refuse(code);
}

function enter(transfer) {
  const row = show(transfer);
  queue.add(transfer);
  return row;
}

function show(transfer) {
  const row = new Row(transfer, byId("file-row"), (action) => act(transfer, action));
  rows.set(transfer, row);
  byId("file-list").append(row.element);
  report(transfer);
  return row;
}

function act(transfer, action) {
  if (action === "cancel") {
    giveUp(transfer);
  } else if (action === "pause") {
    queue.remove(transfer);
    transfer.pause();
  } else if (action === "hurry") {
    transfer.hurry();
  } else if (action === "retry" || action === "resume") {
    again(transfer);
  } else {
    const next = rows.get(transfer).element.nextElementSibling;
    remove(transfer);
    showList();
    const neighbour = [...rows.values()].find((row) => row.element === next);
    if (neighbour) neighbour.focus();
    else byId("file-input").focus();
  }
}

async function giveUp(transfer) {
  if (!(await mayGiveUp(byId("discard"), transfer))) return;
  queue.remove(transfer);
  transfer.cancel();
}

function again(transfer) {
  transfer.requeue();
  queue.add(transfer);
}

function remove(transfer) {
  dismiss(transfer);          // first, so that giving up its permission is not announced
  if (!transfer.safe && !transfer.elsewhere) transfer.cancel();
}

function dismiss(transfer) {
  rows.get(transfer).element.remove();
  rows.delete(transfer);
}

/** Says what matters aloud, once each: the start, every quarter, the result, and what went wrong. */
function report(transfer) {
  const name = displayName(transfer.file.name);
  let [said, begun] = ["", 0];
  let quarter = 0;
  transfer.addEventListener("change", () => {
    showList();
    const { state } = transfer;
    if (state === "stored" || state === "cancelled") refreshHistory(byId("recent"));
    if (transfer.problem?.code === "another_file") leftovers.refresh(uploadIds());
    if (!SPOKEN.has(state) || !rows.has(transfer)) return;
    const sentence = state === "sending" ? `upload ${begun++ === 0 ? "started" : "goes on"}` : describe(transfer).title;
    if (sentence === said) return;      // waiting again for the same thing is no news
    said = sentence;
    announce(`${name}: ${sentence}.`);
  });
  transfer.addEventListener("progress", () => {
    showTitle();
    const reached = Math.floor(percent(transfer.meter.offset, transfer.meter.total) / 25);
    if (reached <= quarter) return;
    quarter = reached;
    if (quarter < 4) announce(`${name}: ${quarter * 25} percent.`);
  });
}

async function resumeAfterSignIn() {
  const stopped = [...rows.keys()].filter((each) => each.ended && each.problem?.code === "sign_in_required");
  if (stopped.length === 0) return;
  try {
    await api.refreshSession();
  } catch {
    return;     // still signed out, or somebody else: the rows say what to do
  }
  for (const transfer of stopped) {
    if (transfer.ended) again(transfer);
  }
}

function showHeld() {
  const collection = chosenCollection();
  byId("held").hidden = held.length === 0;
  byId("held-text").textContent = collection === null
    ? `${count(held.length)} chosen. Now choose the collection above.`
    : `${count(held.length)} chosen for ${collection.title}.`;
  byId("held-start").hidden = collection === null;
  byId("held-start").textContent = `Upload ${count(held.length)}`;
}

function showList() {
  const all = [...rows.keys()];
  const stored = all.filter((each) => each.state === "stored").length;
  byId("files").hidden = all.length === 0;
  byId("files-summary").textContent = `${stored} of ${all.length} stored`;
  byId("clear-ended").hidden = !all.some(isOver);
  showTitle();
}

/** Progress for whoever works in another tab. Numbers only: titles end up in the browser's history. */
function showTitle() {
  const counted = [...rows.keys()].filter((each) => each.safe || !each.ended);
  const total = counted.reduce((sum, each) => sum + each.file.size, 0);
  const taken = counted.reduce((sum, each) => sum + (each.safe ? each.file.size : each.meter?.offset ?? 0), 0);
  document.title = counted.some((each) => !each.safe) ? `${percent(taken, Math.max(1, total))} % · ${plainTitle}` : plainTitle;
}

function isUnderWay(transfer) {
  return !transfer.safe && !transfer.ended && transfer.state !== "cancelling";
}

/** It can leave the list without anything being lost. */
function isOver(transfer) {
  return transfer.ended && !transfer.resumable && transfer.problem?.code !== "sign_in_required";
}

function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
  if (text !== "") announce(text);
}
