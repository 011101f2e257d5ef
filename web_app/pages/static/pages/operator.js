// Whom to ask: sentences say "your Sluice operator", and where the place has set a contact (OPERATOR_CONTACT), it stands behind that.

import { t } from "./text.js";

const WORDS = t("your Sluice operator");

export function withContact(text, contact = document.documentElement.dataset.operator) {
  return contact ? text.replace(WORDS, () => `${WORDS} (${contact})`) : text;
}
