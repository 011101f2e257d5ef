// Where files may go: the choices on the page, as {slug, title, maxSize, types, takesEmpty, takesFolders}.

export function collectionInputs() {
  return [...document.querySelectorAll("input[name=collection]")];
}

/** null while none is chosen. */
export function chosenCollection() {
  return asCollection(collectionInputs().find((each) => each.checked));
}

/** null for one that this person may not upload to. */
export function collectionOf(slug) {
  return asCollection(collectionInputs().find((each) => each.value === slug));
}

function asCollection(input) {
  if (input === undefined) return null;
  const { title, maxSize, types } = input.dataset;
  const takes = (what) => `takes${what}` in input.dataset;
  return { slug: input.value, title, maxSize: Number(maxSize), types, takesEmpty: takes("Empty"), takesFolders: takes("Folders") };
}

/** What a collection is called of which the person may know, also where they may send nothing now; else as it stands in tokens. */
export function collectionTitle(slug) {
  return JSON.parse(document.getElementById("collection-titles")?.textContent ?? "{}")[slug] ?? slug;
}
