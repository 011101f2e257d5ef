"""Why the services tier did not take what a script sent, in words for who looks at the list. The page tells its own people itself.

Only what is about the file: a fault that passes, or one of the token, says nothing of it. The codes are those of docs/upload-api.md.
"""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "type_refused": _("Refused: wrong type"),
    "envelope_refused": _("Refused: a form, not the file"),
    "coding_refused": _("Refused: coded"),
    "partial_body": _("Refused: only a part"),
    "too_large": _("Refused: too large"),
    "length_differs": _("Refused: another length"),
    "digest_differs": _("Refused: another digest"),
    "folder_refused": _("Refused: not a folder"),
    "unstorable": _("Refused: not storable"),
    "upload_cancelled": _("Cancelled"),  # by its sender, of the services tier
}
REFUSED = WORDS.keys() - {"upload_cancelled"}


def of_grant(answer: dict) -> str:
    """The code that stands in the services tier's answer about a grant; empty for none of these. Raises KeyError, TypeError."""
    last = answer["uploads"][-1:]
    problems = [*(one.get("problem") for one in last), answer.get("problem")]
    codes = [problem["code"] for problem in problems if problem is not None]
    return next((code for code in codes if code in WORDS), "")
