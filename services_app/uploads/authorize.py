"""nginx's question before it takes a body byte (auth_request, ADR 0004)."""

import contextlib
import uuid

from django.http import HttpResponse

from . import actions, errors, policies, questions, recover
from .models import Upload
from .protocols import ietf, tus, whole
from .states import State
from .tidy import tidying
from .wire import digests, itself
from .wire.callers import from_nginx, genuine_claims, names_claims
from .wire.middleware import problem_of

_ID_LENGTH = 36


@from_nginx
def authorize(request):
    """204, or 403 with the verdict that nginx turns into the real answer."""
    claims, response = None, HttpResponse(status=204)
    try:
        if request.META.get("HTTP_X_UPLOAD_PATH") == "/names":
            names_claims(request)
            if request.META.get("HTTP_X_UPLOAD_METHOD") not in questions.NAMES:
                raise errors.MethodNotAllowed(*questions.NAMES)
            return response
        genuine = genuine_claims(request)
        policies.check_revoked(genuine, reading=_read_only(request.META))
        claims = genuine
        upload = _judge(request.META, claims)
    except Exception as exc:  # noqa: BLE001  whatever went wrong, nginx needs a verdict
        problem = problem_of(exc, request)
        if claims is not None:
            with tidying():
                actions.note_refusal(claims, problem.code)
        response = HttpResponse(status=403)
        response["X-Upload-Verdict"] = problem.code
        if isinstance(problem, errors.WrongOffset):
            response["Upload-Offset"] = str(problem.offset)
        if isinstance(problem, errors.QuotaExceeded):
            response["X-Upload-Quota"] = " ".join(str(value) for value in problem.members.values())
        if isinstance(problem, errors.NoSpace) and problem.members:
            response["X-Upload-Left"] = str(problem.members["left"])
        if claims is not None and (isinstance(problem, errors.TooLarge) or ietf.is_spoken(request.META)):
            response["Upload-Limit"] = ietf.limits(policies.size_limit(claims))
        return response
    if upload is not None:
        response["X-Upload-Retrievals"] = str(upload.retrievals)
    return response


def _judge(meta: dict, claims) -> Upload | None:
    """What can be known from the headers. Whatever needs an answer with an offset in it is left to the view itself.

    Returns the upload that bytes are to be appended to, if any.
    """
    method, path = meta.get("HTTP_X_UPLOAD_METHOD", ""), meta.get("HTTP_X_UPLOAD_PATH", "")
    allowed = {"/": questions.COLLECTION, "/check": questions.CHECK}.get(path, questions.ONE_UPLOAD)
    if method not in allowed:
        raise errors.MethodNotAllowed(*allowed)
    if method != "PUT" and tus.is_other_version(meta):
        return None  # 412, with a header that nginx does not have; nothing else counts then
    length, coding = meta.get("HTTP_X_UPLOAD_LENGTH", ""), meta.get("HTTP_X_UPLOAD_CODING", "")
    meta = {**meta, "CONTENT_LENGTH": length} | ({"HTTP_TRANSFER_ENCODING": coding} if coding else {})
    if path == "/check":
        whole.asked_of_check(itself.of_put(meta))
        return None
    if path == "/" and ietf.is_spoken(meta):
        ietf.check_mark(meta)
    rest = itself.check(method, meta) if method in ("PUT", "POST", "PATCH") else None
    if rest is not None:
        recover.settle_stale_uploads_of(claims.jti, claims)
        upload = policies.upload_of_rest(claims, rest.length, rest.offset)
        policies.may_append(claims, upload, rest.length - rest.offset)
        whole.rest(meta, upload)
        return upload
    if method in ("PUT", "POST") and ietf.is_spoken(meta):
        policies.may_upload(claims, _ietf_length(meta))
        if length.isdecimal() and int(length) > policies.size_limit(claims):
            raise errors.TooLarge  # the first part alone
        ietf.asked(meta)
    elif method == "PUT":
        policies.may_upload(claims, itself.whole_length(meta))
        whole.asked(meta)
    elif method == "PATCH":
        upload = policies.own_upload(claims, uuid.UUID(path.removeprefix("/")))
        if upload.terminated or upload.state in (State.ABORTED, State.DELETED):
            raise errors.of_ended(upload)
        if upload.concat.startswith("final;"):
            return upload  # 403, whatever comes with it
        policies.may_append(claims, upload, int(length) if length.isdecimal() else None)
        digests.asked(meta, digests.Brings.MORE, sha512=bool(upload.expected_sha512))
        return upload
    elif method == "POST":
        announced = meta.get("HTTP_UPLOAD_LENGTH", "")
        part, final = meta.get("HTTP_UPLOAD_CONCAT") == "partial", meta.get("HTTP_UPLOAD_CONCAT", "").startswith("final;")
        policies.may_upload(claims, tus.number(announced) if announced.isdecimal() else None, part=part, final=final)
        tus.asked(meta)
    return None


def _read_only(meta: dict) -> dict | None:
    """Whose state is asked for, if nothing else is: see policies.check_revoked."""
    path = meta.get("HTTP_X_UPLOAD_PATH", "").removeprefix("/")
    if meta.get("HTTP_X_UPLOAD_METHOD") not in ("GET", "HEAD"):
        return None
    if not path:
        return {}
    with contextlib.suppress(ValueError):
        return {"id": uuid.UUID(path)} if len(path) == _ID_LENGTH else None
    return None


def _ietf_length(meta: dict) -> int | None:
    """The length of a new upload of the draft, as far as its headers tell; lengths that contradict are the view's."""
    try:
        return ietf.total_length(meta, 0)
    except errors.InconsistentLength:
        return None
