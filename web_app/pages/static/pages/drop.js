// Files come in by the chooser or by a drop anywhere on the page.

/** Calls `take(files, folders)` with File objects and the number of folders left out. */
export function acceptFiles({ input, overlay, take }) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";     // so that the same file can be chosen again
    if (files.length > 0) take(files, 0);
  });

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
    const { files, folders } = split(event.dataTransfer);
    take(files, folders);
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

function split(dataTransfer) {
  const files = [];
  let folders = 0;
  for (const item of dataTransfer.items) {
    if (item.kind !== "file") continue;
    if (item.webkitGetAsEntry?.()?.isDirectory) {
      folders += 1;
      continue;
    }
    // Null where the browser has no file to give, as with some attachments out of a mail program.
    const file = item.getAsFile();
    if (file !== null) files.push(file);
  }
  return { files, folders };
}
