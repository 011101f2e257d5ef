// What was sent under one name may be stored under another: the services tier makes names safe. Where this page knows both, it says so.

import { displayName } from "./format.js";
import { showNames } from "./names.js";
import { t } from "./text.js";

/** Puts names into `list` (_uploads.html), and into the rows of the page's own files what became of theirs. `rows`: Transfer → Row. */
export async function showStoredNames(list, rows, names) {
  const stored = [...rows].filter(([{ state, uploadId }]) => state === "stored" && uploadId !== null);
  await names.learn({ uploads: stored.map(([{ uploadId }]) => uploadId) }).catch(() => {});
  await showNames(list, names);
  for (const [transfer, row] of stored) {
    const name = names.stored(transfer.uploadId)?.name ?? transfer.file.name;
    if (isTheSame(name, transfer.file.name)) continue;
    transfer.storedAs = name;
    row.render();
    const listed = list.querySelector(`tr[data-upload="${transfer.uploadId}"] [data-part=standing]`);
    if (listed === null) continue;
    listed.textContent = `${listed.textContent} ${t("Sent as “{file}”", { file: displayName(transfer.file.name) })}`.trim();
    listed.hidden = false;
  }
}

/** To the eye: accents may be written in two ways. */
function isTheSame(one, other) {
  return one.normalize("NFC") === other.normalize("NFC");
}
