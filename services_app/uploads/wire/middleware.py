"""Turns what a view raises into a problem, and names the grant and the upload in every answer."""

import logging

from services_app.metrics import counted
from services_app.store.errors import StoreError
from services_app.tokens.errors import TokenRefused
from services_app.uploads import actions, errors, outage
from services_app.uploads.protocols import ietf, tus

from . import afterwards, headers, tally
from .answers import problem_response

log = logging.getLogger("sluice.uploads")


def _codes(of: type) -> set[str]:
    own = {of.code} if isinstance(getattr(of, "code", None), str) else set()
    return own.union(*(_codes(one) for one in of.__subclasses__()))


for code in _codes(errors.Problem) | _codes(TokenRefused):
    counted.refusals.labels(code)


class ProblemMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        afterwards.begin()
        headers.uncount(request.META)
        request.grant_id = request.upload_id = request.body_reader = None
        request.person = ""  # the token's `sub`, once it is verified
        # What the protocol of the request wants in every answer, refusals included.
        request.extra_headers = tus.version_header(request.META)
        response = self.get_response(request)
        if request.grant_id is not None:
            response["X-Upload-Grant"] = str(request.grant_id)
        if request.upload_id is not None:
            response["X-Upload-Id"] = str(request.upload_id)
        for name, value in request.extra_headers.items():
            response[name] = value
        response["Cache-Control"] = "no-store"
        if not response.content:
            del response["Content-Type"]
        if request.method == "HEAD":
            # A POST that means HEAD (tus) has an answer whose length would be waited for.
            del response["Content-Length"]
        elif response.status_code != 204:
            # With a length nginx knows where the answer ends while the connection is still being drained.
            response["Content-Length"] = str(len(response.content))
        return response

    def process_exception(self, request, exc):
        problem = problem_of(exc, request)
        if isinstance(problem, errors.WrongOffset | errors.UploadCommitted):
            request.extra_headers["Upload-Offset"] = str(problem.offset)
        elif isinstance(problem, errors.AlreadyCommitted):
            # With it a client of the draft would look for an offset at which to go on. refusal.conf (6) does the same.
            request.extra_headers.pop("Upload-Complete", None)
        if isinstance(problem, errors.VersionUnsupported):
            request.extra_headers["Tus-Version"] = tus.VERSION
        if isinstance(problem, errors.CodingRefused):
            request.extra_headers["Accept-Encoding"] = "identity"
        if isinstance(problem, errors.AppendTypeRefused):
            request.extra_headers["Accept-Patch"] = f"{tus.BODY_TYPE}, {ietf.BODY_TYPE}"  # RFC 5789 section 2.2
        return problem_response(problem, request)


def problem_of(exc: Exception, request) -> errors.Problem:
    """The problem that tells of `exc`; it is counted, and what its operator must look at is logged."""
    problem = as_problem(exc)
    is_internal = request.path_info.startswith("/internal/")
    if not (is_internal and isinstance(problem, errors.UploadUnknown)):  # what web_app asks about is mostly not there yet
        counted.refusals.labels(problem.code).inc()
        tally.note(problem.code, request.person)
    if isinstance(problem, errors.InternalError):
        log.error("internal error", extra={"grant_id": request.grant_id}, exc_info=exc)
    elif isinstance(problem, errors.DatabaseUnavailable):
        log.error("database unavailable", extra={"grant_id": request.grant_id}, exc_info=exc)
    return problem


def as_problem(exc: Exception) -> errors.Problem:
    if isinstance(exc, errors.Problem):
        return exc
    if isinstance(exc, TokenRefused):
        return errors.Unauthorised(exc)
    if isinstance(exc, StoreError):
        return errors.of_store(exc)
    if isinstance(exc, actions.LeaseLost):  # whoever took it will be done in a moment, and asking again tells of what
        return errors.UploadInProgress()
    if outage.is_of_the_database(exc):
        return errors.DatabaseUnavailable()
    return errors.InternalError()
