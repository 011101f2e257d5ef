// Names for what Django's admin draws without one: a screen reader tells what it is about.

function name(root) {
  for (const box of root.querySelectorAll(".related-widget-wrapper, .form-row")) {
    const label = box.closest(".form-row")?.querySelector("label")?.textContent.replace(/:\s*$/, "").trim();
    if (!label) continue;
    for (const part of box.querySelectorAll(".select2-selection, .select2-selection__rendered")) {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", label);
    }
  }
  for (const field of root.querySelectorAll("input.select2-search__field:not([aria-label])")) field.setAttribute("aria-label", "Search");
  for (const [kind, words] of [["vDateField", "date"], ["vTimeField", "time"]]) {
    for (const field of root.querySelectorAll(`input.${kind}:not([aria-label])`)) {
      const label = field.closest("fieldset, .form-row")?.querySelector("legend, label")?.textContent.replace(/:\s*$/, "").trim();
      field.setAttribute("aria-label", label ? `${label}, ${words}` : words);
    }
  }
  for (const mark of root.querySelectorAll(".help-tooltip[aria-label]:not([role])")) mark.setAttribute("role", "img");
  document.getElementById("searchbar")?.setAttribute("aria-label", "Search");
}

name(document);
// What is drawn later: lists to choose from, and what they open.
new MutationObserver(() => name(document)).observe(document.body, { childList: true, subtree: true });
