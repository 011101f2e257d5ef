"""Problems on the wire (RFC 9457)."""

import json

from django.http import HttpResponse

from web_app.config.errors import Problem


def problem_response(problem: Problem) -> HttpResponse:
    body = {
        "type": f"urn:problem-type:sluice:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    response = HttpResponse(json.dumps(body), status=problem.status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response
