from django.apps import AppConfig


class CollectionsConfig(AppConfig):
    name = "web_app.collections"
    label = "collections"
    verbose_name = "Collections"
