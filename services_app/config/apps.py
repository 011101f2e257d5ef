from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "services_app.config"
    label = "services"

    def ready(self):
        from . import checks  # noqa: F401  registers the system checks
