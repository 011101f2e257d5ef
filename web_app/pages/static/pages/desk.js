// The upload page: ties what is chosen, the queue, the rows and the announcements together. upload.js fetches it, and hands over files.

import { askAboutRepeated } from "./again.js";
import { announcer } from "./announce.js";
import { WebApi } from "./api.js";
import { chosenCollection, collectionInputs, collectionOf, collectionTitle } from "./collections.js";
import { enableCopying } from "./copy.js";
import { mayDiscard, mayGiveUp } from "./discard.js";
import { askAboutEmpty } from "./empty.js";
import { foldersIn } from "./folder.js";
import { askAboutFolders, Folders } from "./folders.js";
import { titleOf } from "./format.js";
import { Hasher } from "./hasher.js";
import { localTimes, refreshHistory } from "./history.js";
import { showLeft } from "./left.js";
import { Leftovers } from "./leftovers.js";
import { Names } from "./names.js";
import { Notices } from "./notices.js";
import { Queue } from "./queue.js";
import { placeRow, Row } from "./row.js";
import { Transfer } from "./send.js";
import { guard } from "./signout.js";
import { speakOf } from "./speak.js";
import { showStoredNames } from "./stored-names.js";
import { countCleared, isFinished, isOver, isUnderWay, showSummary } from "./summary.js";
import { t, tn } from "./text.js";
import { alike, Unfinished } from "./unfinished.js";
import { Vigil } from "./vigil.js";

const byId = (id) => document.getElementById(id);

const page = byId("uploader");
const announce = announcer(byId("announcements"));
const notices = new Notices(byId("notice"), announce);
const folders = new Folders(byId("reading"), notices);
const vigil = new Vigil({ awake: byId("stay-awake"), notice: byId("tell-me") }, announce);
const unfinished = new Unfinished(page.dataset.person);
const api = new WebApi({ ...page.dataset }, () => unfinished.signedIn());
const names = new Names(api);
const tools = { api, hasher: new Hasher(page.dataset.hasherUrl, page.dataset.digesterUrl), unfinished, names };
const leftovers = new Leftovers(
  { section: byId("unfinished"), list: byId("unfinished-list"), template: byId("unfinished-row") }, tools,
  {
    titleOf: collectionTitle, ask: (text) => mayDiscard(byId("discard"), text), elseFocus: byId("file-input"),
    choose: (record, files, chosen) => inTurn(async () => {
      notices.begin();
      for (const file of [...files, ...await folders.pack(chosen)]) goOnWith(record, file);
    }),
  },
);
const queue = new Queue();
const rows = new Map();             // Transfer → Row
const held = [];                    // files that came before a collection was chosen
let taking = Promise.resolve();     // what was chosen first has its rows before what was chosen next is looked at

enableCopying(document, announce);
localTimes(document);
showStoredNames(byId("recent"), rows, names);
showLeft(api);

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
  for (const transfer of [...rows.keys()].filter(isFinished)) remove(transfer);
  showList();
  byId("file-input").focus();
});
guard(() => [...held.map(() => null), ...[...rows.keys()].filter((each) => !each.safe && !isOver(each)).map((each) => each.uploadId)]);
addEventListener("focus", comeBack);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) comeBack();
});

/** `roots`: of folders, as drop.js has them. */
export function take(files, roots) {
  inTurn(() => takeIn(files, foldersIn(roots)));
}

function inTurn(step) {
  taking = taking.catch(() => {}).then(step);
}

/** From another tab, where the person may have signed in again, or gone on with what is listed here. */
function comeBack() {
  resumeAfterSignIn();
  leftovers.refresh(uploadIds());
  showRecent();
}

function uploadIds() {
  return new Set([...rows.keys()].map((each) => each.uploadId));
}

async function takeIn(files, chosen) {
  notices.begin();
  if (files.length + chosen.length === 0) notices.say(t("The browser was given no file with that. Choose the file with the button instead."));
  const fresh = [];
  for (const file of [...files, ...await folders.pack(chosen)]) {
    if (!(await goOn(file))) fresh.push(file);
  }
  if (chosenCollection() !== null) {
    if (held.length + fresh.length > 0) await start([...held.splice(0), ...fresh]);
    return;
  }
  if (fresh.length === 0) return;
  held.push(...fresh);
  showHeld();
  announce(tn(fresh.length, "{count} file chosen. Choose a collection first.", "{count} files chosen. Choose a collection first."));
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
    notices.say(t("{file} is in the list already.", { file: titleOf(file) }));
    return true;
  }
  if (await alike(file, held.map((each) => ({ file: each }))) !== null) {
    notices.say(t("{file} is chosen already.", { file: titleOf(file) }));
    return true;
  }
  const live = [...rows.keys()].filter((each) => each.uploadId !== null && !each.ended);
  const found = await leftovers.find(file, new Set(live.map(({ uploadId }) => uploadId)));
  if (found === null) return false;
  const { uploadId, elsewhere, collection: slug } = found.record;
  // What another tab sends is no reason against another file of that name here.
  if (elsewhere && !found.same) return false;
  const collection = collectionOf(slug);
  if (collection === null) {
    refuseClosed(file, slug);
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
    if (slugNow !== undefined && slugNow !== slug) notices.say(t("{file} goes on in {collection}, where it was begun.", { file: titleOf(file), collection: collection.title }));
  } else {
    refuse(new Transfer(file, collection, tools), "another_file");
  }
  showList();
  return true;
}

/** The person says that this file is the one of which a part has arrived; it is compared before anything goes on. */
function goOnWith(record, file) {
  const collection = collectionOf(record.collection);
  if (collection === null) {
    refuseClosed(file, record.collection);
  } else if (record.size !== file.size) {
    refuse(new Transfer(file, collection, tools), "another_file");
  } else {
    leftovers.drop(record.uploadId);
    enter(new Transfer(file, collection, tools, { ...record, byDigest: true })).focus();
  }
  showList();
}

/** The first row, or undefined where the person left all files out. */
async function start(chosen) {
  const collection = chosenCollection();
  showHeld();
  const [full, empty] = await askAboutEmpty(byId("empty"), chosen, collection);
  const meant = await askAboutFolders(byId("empty"), full);
  const files = await askAboutRepeated(byId("empty"), meant, collection, tools, (text) => folders.show(text));
  notices.leftOut(empty, collection);
  notices.sent(files);
  const [first] = files.map((file) => enter(new Transfer(file, collection, tools)));
  showList();
  first?.element.scrollIntoView({ block: "nearest" });
  return first;
}

function refuseClosed(file, slug) {
  refuse(new Transfer(file, { slug, title: collectionTitle(slug), maxSize: Infinity, types: "", takesFolders: true }, tools), "collection_closed");
}

function refuse(transfer, code) {
  show(transfer);
  transfer.refuse(code);
}

function enter(transfer) {
  const row = show(transfer);
  if (transfer.file.folder !== undefined && !transfer.collection.takesFolders) transfer.refuse("takes_no_folders");
  else queue.add(transfer);
  return row;
}

function show(transfer) {
  const row = new Row(transfer, byId("file-row"), (action) => act(transfer, action));
  rows.set(transfer, row);
  placeRow(row, transfer);
  follow(transfer);
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
    (neighbour ?? byId("file-input")).focus();
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
  countCleared(transfer);
  dismiss(transfer);          // first, so that giving up its permission is not announced
  if (!transfer.safe && !transfer.elsewhere) transfer.cancel();
}

function dismiss(transfer) {
  rows.get(transfer).element.remove();
  rows.delete(transfer);
}

/** What follows from a change of one of them, beside its row. */
function follow(transfer) {
  speakOf(transfer, announce, () => rows.has(transfer));
  transfer.addEventListener("change", () => {
    if (rows.has(transfer)) placeRow(rows.get(transfer), transfer);
    showList();
    if (transfer.state === "stored" || transfer.state === "cancelled") showRecent();
    if (transfer.problem?.code === "another_file") leftovers.refresh(uploadIds());
  });
  transfer.addEventListener("progress", () => showSummary([...rows.keys()]));
}

function showRecent() {
  refreshHistory(byId("recent"), (body) => showStoredNames(body, rows, names));
  showLeft(api);
}

async function resumeAfterSignIn() {
  const stopped = [...rows.keys()].filter((each) => each.ended && each.problem?.code === "sign_in_required");
  if (stopped.length === 0) return;
  try {
    await api.refreshSession();
  } catch {
    return;     // still signed out, or somebody else: the rows say what to do
  }
  for (const transfer of stopped.filter(({ ended }) => ended)) again(transfer);
}

function showHeld() {
  const collection = chosenCollection();
  byId("held").hidden = held.length === 0;
  byId("held-text").textContent = collection === null
    ? tn(held.length, "{count} file chosen. Now choose the collection above.", "{count} files chosen. Now choose the collection above.")
    : tn(held.length, "{count} file chosen for {collection}.", "{count} files chosen for {collection}.", { collection: collection.title });
  byId("held-start").hidden = collection === null;
  byId("held-start").textContent = tn(held.length, "Upload {count} file", "Upload {count} files");
}

function showList() {
  const all = [...rows.keys()];
  byId("files").hidden = all.length === 0;
  byId("clear-ended").hidden = !all.some(isFinished);
  showSummary(all);
  vigil.look(all);
}
