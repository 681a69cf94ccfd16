"""The page that asks which report, and the download."""

import re
from datetime import UTC, datetime
from io import BytesIO

import pytest
import time_machine
from django.urls import reverse
from pypdf import PdfReader

from risks.models import AuditEvent
from risks.reports import pdf as printer
from risks.reports.pdf import PdfUnavailable
from risks.views import report as views

CHOOSE = reverse("risks:report-list", args=["acme"])
DOWNLOAD = reverse("risks:report-monthly", args=["acme"])
CHOICE = {"register": "VOICE", "month": "2026-10", "language": "en"}


@pytest.fixture(autouse=True)
def _twentieth_of_october():
    with time_machine.travel(datetime(2026, 10, 20, 9, 30, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def reader(cast, make_risk):
    """The reader's client; VOICE has had risks since August."""
    make_risk(title_en="Voices are cloned", residual=(4, 4), at=datetime(2026, 8, 3, tzinfo=UTC))
    return cast.client_for(cast.reader)


def test_page_offers_the_months_since_the_first_risk(reader):
    form = reader.get(CHOOSE, {"register": "VOICE"}).context["form"]

    assert form.fields["month"].choices == [
        ("2026-10", "October 2026"), ("2026-09", "September 2026"), ("2026-08", "August 2026"),
    ]  # fmt: skip
    assert form.initial == {"register": "VOICE", "language": "en"}


def test_page_has_the_register_of_its_address_chosen(reader):
    page = reader.get(CHOOSE, {"register": "VOICE"}).text

    assert re.findall(r'<option value="([A-Z]*)" selected', page) == ["VOICE"]


@pytest.mark.parametrize("role", ["reader", "contributor", "manager", "administrator"])
def test_every_role_gets_the_pdf(reader, cast, role):
    response = cast.client_for(cast.members[role]).get(DOWNLOAD, CHOICE)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == 'attachment; filename="VOICE-2026-10-en.pdf"'
    assert "Voices are cloned" in PdfReader(BytesIO(response.content)).pages[4].extract_text()


def test_language_of_the_report_is_not_the_readers(reader, cast):
    cast.reader.language = "zh-hans"
    cast.reader.save()
    response = reader.get(DOWNLOAD, CHOICE)

    assert "Risk report | October 2026" in PdfReader(BytesIO(response.content)).pages[0].extract_text()


def test_download_is_recorded(reader, cast, register):
    reader.get(DOWNLOAD, CHOICE)

    event = AuditEvent.objects.get(verb="downloaded")
    assert (event.actor, event.register, event.team) == (cast.reader, register, cast.team)
    assert event.object_label == "VOICE-2026-10-en.pdf"
    assert event.changes == {"month": [None, "2026-10"], "language": [None, "en"]}


@pytest.mark.parametrize("address", [CHOOSE, DOWNLOAD])
def test_outsider_gets_404(cast, register, address):
    assert cast.client_for(cast.outsider).get(address, CHOICE).status_code == 404


@pytest.mark.parametrize("address", [CHOOSE, DOWNLOAD])
def test_signed_out_leads_to_the_sign_in_page(client, cast, address):
    response = client.get(address)

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_foreign_register_is_404(reader):
    assert reader.get(DOWNLOAD, CHOICE | {"register": "OTHER"}).status_code == 404


@pytest.mark.parametrize("month", ["2026-07", "2026-11", "2026-13", "soon", "2026-10-01"])
def test_month_without_a_report_is_422_and_keeps_the_choice(reader, month):
    response = reader.get(DOWNLOAD, CHOICE | {"month": month, "language": "zh-hans"})

    assert response.status_code == 422
    form = response.context["form"]
    assert form.errors == {"month": ["Reports can be made of the months from August 2026 to October 2026."]}
    assert (form["register"].value(), form["language"].value()) == ("VOICE", "zh-hans")
    assert not AuditEvent.objects.filter(verb="exported").exists()


@pytest.mark.parametrize("name", ["register", "month", "language"])
def test_missing_choice_is_422_with_its_message(reader, name):
    response = reader.get(DOWNLOAD, {key: value for key, value in CHOICE.items() if key != name})

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [name]


def test_too_many_risks_offer_the_xlsx(reader, make_risk, settings):
    settings.REPORT_MAX_RISKS = 1
    make_risk()
    response = reader.get(DOWNLOAD, CHOICE)

    assert response.status_code == 422
    assert response.context["form"].errors["register"] == [
        "This register has 2 risks to print; a report holds at most 1. Take the register as XLSX instead."
    ]
    address = reverse("risks:risk-export", kwargs={"team": "acme", "format": "xlsx"})
    assert f'href="{address}?register=VOICE"' in response.content.decode()


def test_missing_pango_is_503_with_the_packages(reader, monkeypatch):
    def fail(*args, **kwargs):
        raise PdfUnavailable

    monkeypatch.setattr(views, "make_report", fail)
    response = reader.get(DOWNLOAD, CHOICE)

    assert response.status_code == 503
    assert printer.PACKAGES in response.content.decode()


def test_page_without_pango_says_so_before_anybody_asks(reader, monkeypatch):
    monkeypatch.setattr(printer, "_LIBRARIES", ("libnosuch-1.0.so.0",))
    page = reader.get(CHOOSE).content.decode()

    assert printer.PACKAGES in page
    assert '<button class="btn btn-primary" type="submit" disabled' in page


def test_team_without_registers_is_led_to_them(cast):
    page = cast.client_for(cast.reader).get(CHOOSE).content.decode()

    assert "There is no register to report on yet" in page
    assert f'href="{reverse("risks:register-list", args=["acme"])}"' in page


def test_posting_is_not_allowed(reader):
    assert reader.post(DOWNLOAD, CHOICE).status_code == 405


def test_download_makes_as_many_queries_for_thirty_risks_as_for_one(reader, make_risk, count_queries):
    reader.get(DOWNLOAD, CHOICE)
    at_one = count_queries(lambda: reader.get(DOWNLOAD, CHOICE))
    for _ in range(29):
        make_risk(residual=(3, 3), at=datetime(2026, 9, 3, tzinfo=UTC))

    assert count_queries(lambda: reader.get(DOWNLOAD, CHOICE)) == at_one
