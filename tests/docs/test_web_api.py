"""docs/upload-api.md lists the web API's routes, methods and codes as web_app has them."""

import json
import os
import re
import subprocess
import sys

from dev.tests import app_environments
from tests.docs.markdown import ROOT
from web_app.config.errors import Problem

TEXT = (ROOT / "docs" / "upload-api.md").read_text()
WEB_API = TEXT[TEXT.index("## Web API") : TEXT.index("## Upload resource")]

# In a process of its own: this one has no Django settings.
ROUTES = """
import json, django
django.setup()
from django.urls import get_resolver

def routes(resolver, prefix=""):
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, path)
        else:
            view = getattr(pattern.callback, "view_class", None)
            yield path, [name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)]

print(json.dumps([route for route in routes(get_resolver()) if route[0].startswith("api/")]))
"""


def routes() -> set[str]:
    """"GET /api/v1/uploads/<id>" for every method of every route under /api/."""
    env = {**os.environ, **app_environments()["web_app"], "DJANGO_SETTINGS_MODULE": "web_app.config.settings"}
    done = subprocess.run([sys.executable, "-c", ROUTES], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return {
        f"{method.upper()} /{re.sub('<[^>]+>', '<id>', path)}"
        for path, methods in json.loads(done.stdout)
        for method in methods
    }


def test_the_documented_routes_are_the_ones_that_exist():
    documented = re.findall(r"^\| `([A-Z]+ /api/[^`]+)` \|", WEB_API, re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == routes()


def codes(cls: type = Problem) -> dict[str, int]:
    found = {cls.code: cls.status} if cls is not Problem else {}
    for child in cls.__subclasses__():
        found |= codes(child)
    return found


def test_the_documented_codes_are_the_ones_that_exist():
    documented = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", WEB_API, re.MULTILINE)
    assert {code: int(status) for status, code in documented} == codes()
    assert len(documented) == len(codes()) > 10
    assert documented == sorted(documented, key=lambda row: row[0])
