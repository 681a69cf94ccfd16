"""Helpers of the tests of the admin site."""

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from risks.models import User
from tests.cast import PASSWORD


def superuser_client():
    client = Client()
    client.force_login(User.objects.create_superuser("root@acme.example", PASSWORD, name="Root"))
    return client


def staff_client(*permissions):
    """Somebody of the staff with these permissions only."""
    user = User.objects.create_user("staff@acme.example", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def url_of(obj, page="change"):
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{page}", args=[obj.pk])


def form_data(response, *more_forms):
    """All that the browser would send back from a change page: main form, inlines and the forms given."""
    forms = [response.context["adminform"].form, *more_forms]
    for inline in response.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    values = {field.html_name: field.value() for form in forms for field in form}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def errors_at(response, name):
    return list(response.context["adminform"].form.errors.get(name, []))
