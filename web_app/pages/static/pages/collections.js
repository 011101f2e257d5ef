// Where files may go: the choices on the page, as {slug, title, maxSize, types, takesEmpty}.

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
  return { slug: input.value, title, maxSize: Number(maxSize), types, takesEmpty: "takesEmpty" in input.dataset };
}
