"""The admin site: library, matrices, teams and people are edited here, risks only looked at.

One module per concern registers its models. Signing in is the product's own page.
"""

from allauth.account import admin as account_admin  # noqa: F401  # registers its models, or we could not
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from risks.admin import accounts, jobs, library, matrix, risk, team  # noqa: F401

admin.site.site_header = admin.site.site_title = "RiskReg"
admin.site.enable_nav_sidebar = False  # the room goes to the second language
admin.site.index_title = _("Library, matrices, teams and people")
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.unregister(EmailAddress)  # follows the address of the person; see risks.admin.team
