from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    name = "web_app.config"
    label = "config"

    def ready(self) -> None:
        from web_app.config import checks  # noqa: F401  registers them


class SluiceAdminConfig(AdminConfig):
    default_site = "web_app.config.admin_site.SluiceAdminSite"
