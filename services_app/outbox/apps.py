from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "services_app.outbox"
    label = "outbox"

    def ready(self):
        from . import checks  # noqa: F401  registers the system check
