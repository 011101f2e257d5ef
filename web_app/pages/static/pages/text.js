// What scripts say, in the language that web_app chose for the page. English is the key: a catalog (texts/) says the rest, and only the one
// that is spoken is fetched. How a text or a language is added: docs/languages.md.

const { lang } = document.documentElement;
const CATALOGS = {
  de: () => import("./texts/de.js"),
  es: () => import("./texts/es.js"),
  fr: () => import("./texts/fr.js"),
  pt: () => import("./texts/pt.js"),
};
// Without it English is better than nothing.
const catalog = (await CATALOGS[lang]?.().catch(() => null))?.default ?? {};

/** For Intl: numbers and dates as the reader is used to them where that is of the page's language, say those of Austria in German. */
export const LOCALE = navigator.languages.find((one) => languageOf(one) === languageOf(lang)) ?? lang;
// Ours is that of Portugal: Brazil's says "0 ficheiro".
const PLURALS = new Intl.PluralRules(lang === "pt" ? "pt-PT" : lang);
const NUMBERS = new Intl.NumberFormat(LOCALE);
const LIST = new Intl.ListFormat(lang);

/** The text, with `values` in the place of their names: `{name}` for each. */
export function t(english, values) {
  return filled(catalog[english] ?? english, values);
}

/** The same of so many; `{count}` stands in both. A catalog has a text for each form of its language that Intl names. */
export function tn(count, one, other, values) {
  const forms = catalog[other] ?? { one, other };
  return filled(forms[PLURALS.select(count)] ?? forms.other, { count: NUMBERS.format(count), ...values });
}

/** "a, b and c" */
export function listed(words) {
  return LIST.format(words);
}

function filled(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function languageOf(tag) {
  return tag.split("-")[0].toLowerCase();
}
