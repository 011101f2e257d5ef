"""The WSGI application, which refuses to load where something is half configured (invariant 9).

WSGI only: Django's ASGI handler spools a request's body to disk before any view runs.
"""

import logging
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web_app.config.settings")

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import connections

from web_app.config import watched
from web_app.config.content_type import without_parameters


def _load():
    try:
        loaded = get_wsgi_application()
    except ImproperlyConfigured as exc:
        sys.exit(f"web_app does not start: {exc}")
    found = checks.run_checks(include_deployment_checks=True, databases=["default"])
    serious = [message for message in found if message.is_serious() and not message.is_silenced()]
    for message in serious:
        logging.getLogger("web_app.config").critical("check_failed", extra={"id": message.id, "hint": message.hint})
        print(f"web_app does not start: {message}", file=sys.stderr)
    if serious:
        sys.exit(1)
    watched.load_all()
    # The checks asked the database before gunicorn forks: no worker may share that connection.
    connections.close_all()
    for connection in connections.all():
        if connection.vendor == "postgresql":
            connection.close_pool()
    return without_parameters(loaded)


application = _load()
