// Numbers, times and names as a person reads them. Pure functions: no DOM, no state.

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes in binary units, as Windows and our own logs count them; the same rule as templatetags/readable.py. */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${value < 100 ? trimZero(value.toFixed(1)) : Math.round(value)} ${UNITS[unit]}`;
}

/** The same of a whole file: nothing is worth a word. */
export function fileSize(bytes) {
  return bytes === 0 ? "Empty (0 bytes)" : size(bytes);
}

/** "342,884,352 bytes" in the reader's own grouping. */
export function exactBytes(bytes) {
  return `${bytes.toLocaleString()} ${bytes === 1 ? "byte" : "bytes"}`;
}

/** "327 MiB (342,884,352 bytes)"; a size that is told in bytes anyway is told once. */
export function sizeInFull(bytes) {
  return bytes < 1024 ? fileSize(bytes) : `${size(bytes)} (${exactBytes(bytes)})`;
}

/** Bytes taken beside a total: both in the total's unit, with a fixed number of digits, so that the text does not jump. */
export function sizeOf(taken, total) {
  let scale = 1;
  let unit = 0;
  while (total / scale >= 1024 && unit < UNITS.length - 1) {
    scale *= 1024;
    unit += 1;
  }
  if (unit === 0) return `${taken} of ${total} bytes`;
  const digits = total / scale < 100 ? 1 : 0;
  // Cut off, not rounded: the text never names a byte that is not there yet.
  const factor = 10 ** digits;
  const shown = (Math.floor((taken / scale) * factor) / factor).toFixed(digits);
  return `${shown} of ${size(total)}`;
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
  if (seconds < 5) return "a few seconds left";
  if (seconds < 50) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${Math.max(1, minutes)} min left`;
  const hours = Math.floor(minutes / 60);
  const rest = Math.round((minutes % 60) / 5) * 5;
  if (hours >= 10 || rest === 0) return `about ${hours} h left`;
  return rest === 60 ? `about ${hours + 1} h left` : `about ${hours} h ${rest} min left`;
}

/** "12 s", for waits that the page itself counts down. */
export function wait(seconds) {
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

export function count(files) {
  return files === 1 ? "1 file" : `${files} files`;
}

export function shortDigest(hex) {
  return `${hex.slice(0, 12)}…`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium", timeStyle: "short",
});
const EXACT_MOMENT = new Intl.DateTimeFormat(undefined, {
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

/** A long text as [head, tail], cut `length` characters before its end: what the eye counts as characters, not UTF-16. */
export function splitTail(text, length) {
  const characters = "Segmenter" in Intl
    ? Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
    : [...text];
  if (characters.length <= 2 * length) return [text, ""];
  return [characters.slice(0, -length).join(""), characters.slice(-length).join("")];
}

function trimZero(text) {
  return text.endsWith(".0") ? text.slice(0, -2) : text;
}
