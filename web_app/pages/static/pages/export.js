// A list as a table for a spreadsheet, with the names that this browser was told. web_app's own (exports.py) has every column but the name.

import { t } from "./text.js";

const COLUMNS = {
  [t("Name")]: (row) => row.dataset.name ?? "",
  [t("Person")]: (row) => textOf(row, "[data-part=person]"),
  [t("Person's id")]: (row) => row.querySelector("[data-part=person]")?.title ?? "",
  [t("State")]: (row) => textOf(row, ".badge"),
  [t("When (UTC)")]: (row) => row.querySelector("td > time").dateTime.slice(0, 19).replace("T", " "),
  [t("Bytes")]: (row) => row.dataset.bytes,
  "SHA-256": (row) => textOf(row, ".digest"),
  [t("Upload")]: (row) => row.dataset.upload ?? "",
  [t("Permission")]: (row) => row.dataset.grant ?? "",
};
// What a spreadsheet would take for a formula, and run.
const FORMULA = /^[ \u00a0\ufeff]*[=+\-@\t\r\n＝＋－＠]/;

/** The rows of _uploads.html as CSV (RFC 4180). */
export function table(rows) {
  const lines = [Object.keys(COLUMNS), ...rows.map((row) => Object.values(COLUMNS).map((cell) => harmless(cell(row))))];
  return `\ufeff${lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("")}`;
}

/** An apostrophe in front says that it is text. */
export function harmless(text) {
  return FORMULA.test(text) ? `'${text}` : text;
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
}

function textOf(row, selector) {
  return row.querySelector(selector)?.textContent.trim() ?? "";
}
