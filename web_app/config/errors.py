"""Every way in which the web API refuses, in one tree. `code` and `status` are part of docs/upload-api.md.

    Problem
    ├── RequestMalformed        request_malformed       400  JSON that makes no sense, or an unknown field
    ├── NotSignedIn             not_signed_in           401
    ├── ApiKeyRefused           api_key_refused         401  unknown, expired or revoked, or its owner is inactive
    ├── CsrfFailed              csrf_failed             403
    ├── BeyondTheKey            beyond_the_key          403  an API key that may only see
    ├── CollectionForbidden     collection_forbidden    403  also where there is none: existence is not told
    ├── UploadsOverLimit        uploads_over_limit      403  more uploads under one grant than the collection allows
    ├── NotFound                not_found               404  also for what belongs to somebody else
    ├── ReceiptUnknownGrant     receipt_unknown_grant   404
    ├── MethodNotAllowed        method_not_allowed      405
    ├── AlreadyComplete         already_complete        409
    ├── LengthRequired          length_required         411
    ├── BodyTooLarge            body_too_large          413  of a request to this API
    ├── SizeOverLimit           size_over_limit         413  of the file that permission is asked for
    ├── MultipartRefused        multipart_refused       415
    ├── JsonRequired            json_required           415
    ├── ReceiptInvalid          receipt_invalid         422  the signature or a claim does not hold
    ├── ReceiptMismatch         receipt_mismatch        422  a good receipt, but of something else than was granted
    ├── TooManyGrants           too_many_grants         429  one person's open grants
    ├── TooManyGrantsHere       too_many_grants_here    429  those of this collection
    ├── TooManyToday            too_many_today          429  one person's tokens, looks at others' names and exports
    ├── TooManyAtOnce           too_many_at_once        429  one person's lists and exports
    ├── InternalError           internal_error          500
    ├── WebBusy                 web_busy                503  all places for what is costly are taken; also said by nginx
    └── DatabaseUnavailable     database_unavailable    503  its database is locked, full, read-only or away

`detail` is for a person and holds numbers and our own words only, never what the client sent. Programs read all of it in English; what
people meet on a page is marked, and said there in their language (problems.py).
"""


def _(text: str) -> str:
    """Marks what people meet."""
    return text


class Problem(Exception):
    code = "internal_error"
    status = 500
    title = "Something is wrong on our side"
    detail = "Nothing was changed. Try again later."
    headers: dict[str, str] = {}

    def __init__(self, detail: str | None = None, **numbers):
        super().__init__(self.code)
        self.words, self.numbers = detail or self.detail, numbers
        self.detail = self.words.format(**numbers)


class RequestMalformed(Problem):
    code, status, title = "request_malformed", 400, "The request makes no sense"
    detail = "The body must be one JSON object with the fields that docs/upload-api.md names."


class NotSignedIn(Problem):
    code, status, title = "not_signed_in", 401, "Sign in first"
    detail = "Sign in on the page, or send an API key: Authorization: Bearer slk_…"
    headers = {"WWW-Authenticate": "Bearer"}


class ApiKeyRefused(Problem):
    code, status, title = "api_key_refused", 401, "This API key is not accepted"
    detail = "It is unknown, expired or revoked, or its owner's account is closed."
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class CsrfFailed(Problem):
    code, status, title = "csrf_failed", 403, "The request does not come from our page"
    detail = "Reload the page and try again. Scripts send an API key instead of a session."


class BeyondTheKey(Problem):
    code, status, title = "beyond_the_key", 403, "This API key may not do that"
    detail = "It may only see what was sent. Use a key that may send files."


class CollectionForbidden(Problem):
    code, status, title = "collection_forbidden", 403, "No permission to upload there"
    detail = "There is no such collection, or you may not upload to it."


class UploadsOverLimit(Problem):
    code, status, title = "uploads_over_limit", 403, "Not so many uploads at once"
    detail = "One grant of this collection is good for {limit}, {asked} were asked for."


class NotFound(Problem):
    code, status, title = "not_found", 404, "No such resource"
    detail = "There is nothing here that you may see."


class ReceiptUnknownGrant(Problem):
    code, status, title = "receipt_unknown_grant", 404, "The receipt belongs to no upload of yours"
    detail = "The receipt is genuine, but its grant was not issued to you."


class MethodNotAllowed(Problem):
    code, status, title = "method_not_allowed", 405, "Not with this method"
    detail = "The Allow header names the methods that this resource knows."

    def __init__(self, allowed: list[str]):
        super().__init__()
        self.headers = {"Allow": ", ".join(allowed)}


class AlreadyComplete(Problem):
    code, status, title = "already_complete", 409, "This upload is complete already"
    detail = "Its receipt is kept and it can no longer be changed."


class GrantEnded(Problem):
    code, status, title = "grant_ended", 409, "This upload was given up"
    detail = "Ask for a new grant."


class LengthRequired(Problem):
    code, status, title = "length_required", 411, "Say how long the body is"
    detail = "Requests to this API need Content-Length. Files go to /u."


class BodyTooLarge(Problem):
    code, status, title = "body_too_large", 413, "The request is too large"
    detail = "A body may hold {limit} bytes here, {received} were announced. Files go to /u."


class SizeOverLimit(Problem):
    code, status, title = "size_over_limit", 413, "The file is too large for this collection"
    detail = "It may hold {limit} bytes, {declared} were declared."


class MultipartRefused(Problem):
    code, status, title = "multipart_refused", 415, "No form uploads"
    detail = "This application never takes files. Files go to /u."


class JsonRequired(Problem):
    code, status, title = "json_required", 415, "Send JSON"
    detail = "Content-Type must be application/json."


class ReceiptInvalid(Problem):
    code, status, title = "receipt_invalid", 422, "The receipt does not verify"
    detail = "It was refused as {reason}."


class ReceiptMismatch(Problem):
    code, status, title = "receipt_mismatch", 422, "The receipt does not fit the upload"
    detail = "It differs from what was granted in: {claim}."


class TooManyGrants(Problem):
    code, status, title = "too_many_grants", 429, "Too many uploads are open"
    detail = "You have {limit} permissions that are neither used nor given up. Finish or cancel some, or wait until they end."
    headers = {"Retry-After": "60"}


class TooManyGrantsHere(TooManyGrants):
    code, title = "too_many_grants_here", "Too many uploads are open in this collection"
    detail = "You have {limit} permissions there that are neither used nor given up. Finish or cancel some, or wait until they end."


class TooManyToday(Problem):
    code, status, title = "too_many_today", 429, _("Too much was asked for today")
    detail = _(
        "One person may ask for {limit} upload tokens and exports in a day, by UTC. Go on tomorrow, or tell your operator."
    )

    def __init__(self, *, seconds: int, limit: int):
        super().__init__(limit=limit)
        self.headers = {"Retry-After": str(seconds)}


class TooManyAtOnce(Problem):
    code, status, title = "too_many_at_once", 429, _("One after the other, please")
    detail = _("Another list or export of yours is being made. Try again when it is there.")
    headers = {"Retry-After": "2"}


class InternalError(Problem):
    pass


class WebBusy(Problem):
    code, status, title = "web_busy", 503, _("The web application is busy")
    detail = _(
        "It has more to do than it can at the moment. Nothing was done, and running uploads go on. Try again in a moment."
    )
    headers = {"Retry-After": "5"}


class DatabaseUnavailable(Problem):
    code, status, title = "database_unavailable", 503, "Our records cannot be kept now"
    detail = "Nothing that was told before is lost. Try again in a moment."
    headers = {"Retry-After": "10"}
