"""Problems on the wire (RFC 9457)."""

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from web_app.config.errors import Problem
from web_app.metrics import counted


def _codes(of: type[Problem]) -> set[str]:
    return {of.code}.union(*(_codes(one) for one in of.__subclasses__()))


for code in _codes(Problem):
    counted.refusals.labels(code)


def problem_response(problem: Problem) -> HttpResponse:
    body = {
        "type": f"urn:problem-type:sluice:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    return told(problem, HttpResponse(json.dumps(body), content_type="application/problem+json"))


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The same for a person who meets it on a page, in their language."""
    said = {"title": _(problem.title), "text": _(problem.words).format(**problem.numbers)}
    return told(problem, render(request, "problem.html", said))


def told(problem: Problem, response: HttpResponse) -> HttpResponse:
    """This answer says that problem, in whatever words."""
    counted.refusals.labels(problem.code).inc()
    response.status_code = problem.status
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response
