"""The WSGI application. WSGI only: Django's ASGI handler spools a body to disk before a view runs."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services_app.config.settings")

from django.core.wsgi import get_wsgi_application

from services_app.config.content_type import without_parameters

application = without_parameters(get_wsgi_application())
