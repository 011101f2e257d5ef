"""`PUT /internal/v1/revocations?until=…&grant=…&token=…&browser=…`: refuse these tokens from now on. Said again, nothing happens.

`GET`, without `until`: which of these are refused, for a database that is an older copy has forgotten what was said last.
"""

import uuid

from django.http import HttpResponse, JsonResponse

from services_app.revocations import heard
from services_app.uploads import errors, revoke
from services_app.uploads.wire.callers import from_web_app

AT_ONCE = 15  # subjects in one request, whose line gunicorn bounds (limit_request_line)
_LATEST = 4_102_444_800  # the year 2100, in seconds
_DIGEST_LENGTH = 43
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@from_web_app
def revocations(request):
    """`until`: the latest end of the tokens meant, in seconds since the epoch; each `grant` is an id, each `token` an id and the second
    of its `iat`, with a colon between, each `browser` a `cnf` digest.
    """
    if request.method not in ("GET", "PUT"):
        raise errors.MethodNotAllowed("GET", "PUT")
    if not request.GET.keys() <= {"grant", "token", "browser"} | ({"until"} if request.method == "PUT" else set()):
        raise errors.RequestMalformed
    grants = [_uuid(text) for text in request.GET.getlist("grant")]
    tokens = [_token(text) for text in request.GET.getlist("token")]
    browsers = [_digest(text) for text in request.GET.getlist("browser")]
    subjects = [*map(str, grants), *tokens, *browsers]
    if not 1 <= len(subjects) <= AT_ONCE:
        raise errors.RequestMalformed
    if request.method == "GET":
        return JsonResponse({"revoked": sorted(heard.among(subjects))})
    until = _until(request.GET.getlist("until"))
    for subject in subjects:
        heard.keep(subject, until)
    for grant_id in grants:
        revoke.take_back(grant_id)
    return HttpResponse(status=204)


def _until(values: list[str]):
    if len(values) != 1:
        raise errors.RequestMalformed
    return heard.moment(_seconds(values[0]))


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 11 or int(text) > _LATEST:
        raise errors.RequestMalformed
    return int(text)


def _token(text: str) -> str:
    grant, _, seconds = text.partition(":")
    return heard.token(_uuid(grant), _seconds(seconds))


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise errors.RequestMalformed from exc


def _digest(text: str) -> str:
    if len(text) != _DIGEST_LENGTH or not _LETTERS.issuperset(text):
        raise errors.RequestMalformed
    return text
