from django.apps import AppConfig


class GrantsConfig(AppConfig):
    name = "web_app.grants"
    label = "grants"
    verbose_name = "Grants"

    def ready(self) -> None:
        from web_app.grants import signals  # noqa: F401  connects them
