from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "services_app.uploads"
    label = "uploads"
