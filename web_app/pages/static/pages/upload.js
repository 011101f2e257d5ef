// The upload page's first module. It takes files from the first moment on; all else (desk.js) comes behind it, and is handed what was
// chosen and pressed meanwhile: nobody waits for what the first screen does not need.

import { acceptFiles } from "./drop.js";
import { guard } from "./signout.js";

const LONGEST_PAUSE_MS = 5000;

const byId = (id) => document.getElementById(id);

let desk = null;            // the module, once it is there
const chosen = [];          // [files, roots] of before that
const pressed = [];         // buttons
const notice = byId("notice");

acceptFiles({ input: byId("file-input"), folderInput: byId("folder-input"), overlay: byId("drop-overlay"), take });
guard(() => chosen.flatMap(([files, roots]) => [...files, ...roots]).map(() => null));
addEventListener("click", keep, true);
byId("preparing").remove();
performance.mark("ready");
fetchTheRest();

function take(files, roots) {
  if (desk !== null) desk.take(files, roots);
  else chosen.push([files, roots]);
}

function keep({ target }) {
  const button = target.closest("button[type=button]");
  if (button !== null) pressed.push(button);
}

async function fetchTheRest() {
  document.head.append(byId("later").content);      // links: all at once, not one floor of imports after the other
  desk = await arrived();
  notice.hidden = true;
  removeEventListener("click", keep, true);
  for (const [files, roots] of chosen.splice(0)) desk.take(files, roots);
  for (const button of pressed) button.click();
}

async function arrived() {
  for (let pause = 500; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await import("./desk.js");
    } catch {
      notice.textContent = notice.dataset.late;
      notice.hidden = false;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
