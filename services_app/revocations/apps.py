from django.apps import AppConfig


class RevocationsConfig(AppConfig):
    name = "services_app.revocations"
    label = "revocations"
