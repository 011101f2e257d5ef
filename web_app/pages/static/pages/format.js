// Numbers, times and names as a person reads them. Pure functions: no DOM, no state.

import { LOCALE, t, tn } from "./text.js";

const UNITS = ["", t("KiB"), t("MiB"), t("GiB"), t("TiB"), t("PiB")];

/** Bytes in binary units, as Windows and our own logs count them; the same rule as templatetags/readable.py. */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return tn(bytes, "{count} byte", "{count} bytes", { count: bytes });
  return `${decimal(value, 0, value < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

/** "1.2 TiB of 2 TiB left for you here"; the limit alone where nobody knows what is left. `tell`: how bytes are told. */
export function explainQuota({ quota, unit, limit, left }, tell = size) {
  const told = { limit: unit === "bytes" ? tell(limit) : count(limit) };
  if (left !== null) told.left = unit === "bytes" ? tell(left) : left.toLocaleString(LOCALE);
  return (QUOTAS[quota] ?? QUOTAS.collection)(told);
}

const QUOTAS = {
  collection: (told) => "left" in told ? t("{left} of {limit} left", told) : t("Up to {limit} in all", told),
  person: (told) => "left" in told ? t("{left} of {limit} left for you in all collections", told)
    : t("Up to {limit} in all for you in all collections", told),
  person_here: (told) => "left" in told ? t("{left} of {limit} left for you", told) : t("Up to {limit} in all for you", told),
};

/** The same of a whole file: nothing is worth a word. */
export function fileSize(bytes) {
  return bytes === 0 ? t("Empty (0 bytes)") : size(bytes);
}

/** "342,884,352 bytes" in the reader's own grouping. */
export function exactBytes(bytes) {
  return tn(bytes, "{count} byte", "{count} bytes");
}

/** "327 MiB (342,884,352 bytes)"; a size that is told in bytes anyway is told once. */
export function sizeInFull(bytes) {
  return bytes < 1024 ? fileSize(bytes) : `${size(bytes)} (${exactBytes(bytes)})`;
}

/**
 * Bytes taken beside a total: in the total's unit with a fixed number of digits, so that the text does not jump; what is less than one of
 * them in its own: "61 MiB of 2 GiB". Cut off, not rounded: the text never names a byte that is not there yet.
 */
export function sizeOf(taken, total) {
  const unit = unitOf(total);
  if (unit === 0) return tn(total, "{taken} of {count} byte", "{taken} of {count} bytes", { taken, count: total });
  const told = { taken: taken === 0 ? "0" : cut(taken, unitOf(taken)), total: size(total) };
  if (taken < 1024 ** unit) return t("{taken} of {total}", told);
  const scaled = total / 1024 ** unit;
  const digits = scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
  told.taken = decimal(Math.floor((taken / 1024 ** unit) * 10 ** digits) / 10 ** digits, digits, digits);
  return t("{taken} of {total}", told);
}

function unitOf(bytes) {
  let unit = 0;
  while (bytes >= 1024 ** (unit + 1) && unit < UNITS.length - 1) unit += 1;
  return unit;
}

function cut(bytes, unit) {
  const whole = Math.floor(bytes / 1024 ** unit);
  return unit === 0 ? size(whole) : `${whole} ${UNITS[unit]}`;
}

function decimal(value, least, most) {
  return value.toLocaleString(LOCALE, { minimumFractionDigits: least, maximumFractionDigits: most, useGrouping: false });
}

export function speed(bytesPerSecond) {
  return `${size(Math.round(bytesPerSecond))}/s`;
}

/** Whole percent, never rounded up: 100 is said only when every byte is taken. */
export function percent(taken, total) {
  return total === 0 ? 100 : Math.floor((taken / total) * 100);
}

/** A coarse duration: estimates that change every second are noise. */
export function timeLeft(seconds) {
  if (seconds < 5) return t("a few seconds left");
  if (seconds < 50) return t("about {seconds} s left", { seconds: Math.ceil(seconds / 5) * 5 });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("about {minutes} min left", { minutes: Math.max(1, minutes) });
  const hours = Math.floor(minutes / 60);
  const rest = Math.round((minutes % 60) / 5) * 5;
  if (hours >= 10 || rest === 0) return t("about {hours} h left", { hours });
  return rest === 60 ? t("about {hours} h left", { hours: hours + 1 }) : t("about {hours} h {minutes} min left", { hours, minutes: rest });
}

/** "12 s", for waits that the page itself counts down. */
export function wait(seconds) {
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

export function count(files) {
  return tn(files, "{count} file", "{count} files");
}

export function shortDigest(hex) {
  return `${hex.slice(0, 12)}…`;
}

const MOMENT = new Intl.DateTimeFormat(LOCALE, {
  dateStyle: "medium", timeStyle: "short",
});
const EXACT_MOMENT = new Intl.DateTimeFormat(LOCALE, {
  year: "numeric", month: "long", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "long",
});

/** Both in the reader's zone. */
export function moment(date) {
  return MOMENT.format(date);
}

export function exactMoment(date) {
  return EXACT_MOMENT.format(date);
}

/**
 * A file name for the eye. Control and direction-override characters are made visible, so that "gpj.exe" cannot
 * pass for "exe.jpg"; the name that travels in Content-Disposition is the untouched one.
 */
export function displayName(name) {
  return name.replace(/[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, "\uFFFD");
}

/** What a person calls a file; an Archive is called what the folder is. */
export function titleOf({ name, folder }) {
  return displayName(folder ?? name);
}

/** "327 MiB"; of an Archive how many files it holds as well, and how many of them nothing. */
export function aboutFile({ size: bytes, folder, files, empty }) {
  if (folder === undefined) return fileSize(bytes);
  const hollow = empty === 0 ? "" : empty === files ? t(", all of them empty") : t(", {count} of them empty", { count: empty });
  return `${t("Folder of {files}", { files: count(files) })}${hollow} · ${t("{size} as one archive", { size: size(bytes) })}`;
}

/** A long text as [head, tail], cut `length` characters before its end: what the eye counts as characters, not UTF-16. */
export function splitTail(text, length) {
  const characters = "Segmenter" in Intl
    ? Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
    : [...text];
  if (characters.length <= 2 * length) return [text, ""];
  return [characters.slice(0, -length).join(""), characters.slice(-length).join("")];
}
