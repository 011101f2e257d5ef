from django.apps import AppConfig


class GrantsConfig(AppConfig):
    name = "web_app.grants"
    label = "grants"
    verbose_name = "Grants"
