"""The admin site: library, matrices, teams and people are edited here, risks only looked at.

One module per concern registers its models. Signing in is the product's own page.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import admin as account_admin  # noqa: F401  # registers its models, or we could not
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from risks.admin import accounts, jobs, library, matrix, risk, team  # noqa: F401
from risks.views.security import demand_second_factor

admin.site.site_header = admin.site.site_title = "RiskReg"
admin.site.enable_nav_sidebar = False  # the room goes to the second language
admin.site.index_title = _("Library, matrices, teams and people")
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.unregister(EmailAddress)  # follows the address of the person; see risks.admin.team


def _second_factor_first(admin_view: Callable[..., Any]) -> Callable[..., Any]:
    """Every page of the admin site shows what a team may want to keep behind a second factor."""

    def with_demand(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., HttpResponse]:
        inner = admin_view(view, cacheable)

        @wraps(inner)
        def demanding(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if admin.site.has_permission(request):
                demand_second_factor(request)
            answer: HttpResponse = inner(request, *args, **kwargs)
            return answer

        return demanding

    return with_demand


admin.site.admin_view = _second_factor_first(admin.site.admin_view)  # type: ignore[method-assign]
