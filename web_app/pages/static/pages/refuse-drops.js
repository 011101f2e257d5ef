// A file that is dropped on a page which does not take files is refused: left alone, the browser would open it in place of the page.

const takesFiles = document.getElementById("file-input") !== null;

for (const kind of takesFiles ? [] : ["dragenter", "dragover", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
}
