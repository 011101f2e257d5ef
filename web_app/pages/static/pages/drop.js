// Files and folders come in by the choosers or by a drop anywhere on the page.

/**
 * Calls `take(files, roots)` with File objects, and what folders can be read from later (`foldersIn` of folder.js). `folderInput`: where
 * folders can be chosen as well.
 */
export function acceptFiles({ input, folderInput, overlay, take }) {
  for (const each of [input, folderInput].filter((one) => one !== undefined)) {
    each.addEventListener("change", () => {
      const files = [...each.files];
      each.value = "";    // so that the same can be chosen again
      if (files.length === 0) return;
      if (each === folderInput) take([], [files]);
      else take(asTheyAre(files), []);
    });
  }

  // dragenter and dragleave fire for every element on the way, so count them.
  let depth = 0;
  const show = (visible) => {
    if (!visible) depth = 0;
    overlay.hidden = !visible;
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  // Without this, a file dropped beside the zone would replace the page and end what is running.
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    show(false);
    const { files, roots } = split(event.dataTransfer);
    take(asTheyAre(files), roots);
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

function split(dataTransfer) {
  const [files, roots] = [[], []];
  for (const item of dataTransfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) {
      roots.push(entry);
      continue;
    }
    // Null where the browser has no file to give, as with some attachments out of a mail program.
    const file = item.getAsFile();
    if (file !== null) files.push(file);
  }
  return { files, roots };
}

/** Chromium looks at a file's size and date only now; what is done to it after it was chosen then counts as a change. */
function asTheyAre(files) {
  for (const file of files) file.slice(0, 0);
  return files;
}
