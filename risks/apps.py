"""Application configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RisksConfig(AppConfig):
    name = "risks"
    verbose_name = _("Risk register")
    default = True

    def ready(self) -> None:
        from risks.reports import pdf  # noqa: F401  # models must be there; registers its system check
