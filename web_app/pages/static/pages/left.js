// What is left of quotas, beside the collection that they are of: asked for after the page is there, since another server counts.

import { explainQuota } from "./format.js";

/** Fills in each choice's `data-left`; where nobody can tell, the limit alone stands there. */
export async function showLeft(api) {
  const places = new Map([...document.querySelectorAll("[data-left]")].map((each) => [each.dataset.left, each]));
  if (places.size === 0) return;
  let collections;
  try {
    collections = await api.collections();
  } catch {
    return;     // what stands there was true a while ago, and every upload is told for itself
  }
  for (const { collection, quotas } of collections) {
    const place = places.get(collection);
    if (place !== undefined) place.textContent = quotas.map((each) => explainQuota(each)).join(" · ");
  }
}
