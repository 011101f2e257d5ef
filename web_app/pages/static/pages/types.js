// Media types in the words of web_app/collections/media_types.py, which the page carries in <script id="type-words">.

let words = null;

/** "SAS dataset"; a type that the page does not know as it is. */
export function typeInWords(mediaType) {
  words ??= new Map(Object.entries(JSON.parse(document.getElementById("type-words")?.textContent ?? "{}")));
  return words.get(mediaType) ?? mediaType;
}
