from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "services_app.store"
    label = "store"
