"""Application configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RisksConfig(AppConfig):
    name = "risks"
    verbose_name = _("Risk register")
    default = True

    def ready(self) -> None:
        # Models must be there; these register system checks and what listens to allauth.
        from risks import accounts  # noqa: F401
        from risks.reports import pdf  # noqa: F401
        from risks.services import links  # noqa: F401
