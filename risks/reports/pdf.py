"""From XHTML to PDF: the only module that knows WeasyPrint.

WeasyPrint is loaded with the first report, because that takes a second and needs libraries of the operating
system; a server without them misses reports and nothing else. What a report may fetch is our own fonts and
the pictures written into the document: texts of users never reach a file or the network.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.utils.translation import gettext_lazy as _

from risks.exceptions import DomainError

if TYPE_CHECKING:
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
_LIBRARIES = ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")
_STYLE: Path = settings.BASE_DIR / "templates" / "risks" / "reports" / "monthly.css"
_FONTS: Path = settings.BASE_DIR / "static" / "fonts"
_UNPRINTABLE = dict.fromkeys([*(set(range(0x20)) - {0x09, 0x0A, 0x0D}), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF])
_lock = Lock()  # Pango's font map is not made for two threads


class PdfUnavailable(DomainError):
    """The libraries that print are missing on the server."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "PDF reports need libraries that this server lacks. Ask whoever runs it to install the "
                "packages %(packages)s and to start it again. CSV and XLSX work without them."
            )
            % {"packages": PACKAGES}
        )


def write_pdf(markup: str, style: Path = _STYLE) -> bytes:
    """The well-formed document as a tagged PDF. Raises PdfUnavailable where Pango is missing."""
    try:
        from weasyprint import HTML  # slow to load, and fails without Pango
    except OSError as error:
        raise PdfUnavailable from error
    with _lock:
        fonts, sheets = _style(style)
        document = HTML(string=markup.translate(_UNPRINTABLE), url_fetcher=_fetcher())
        pdf: bytes = document.write_pdf(stylesheets=sheets, font_config=fonts, pdf_variant="pdf/ua-1")
    return pdf


@cache
def _style(style: Path) -> tuple[FontConfiguration, list[CSS]]:
    """Fonts and parsed style sheets, once per process: the fonts cost more than a short report."""
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    fonts = FontConfiguration()
    atexit.register(_style.cache_clear)  # its own clean-up fails when the interpreter has gone
    sheets = (_FONTS / "fonts-pdf.css", style)
    return fonts, [CSS(filename=sheet, url_fetcher=_fetcher(), font_config=fonts) for sheet in sheets]


@cache
def _fetcher() -> Any:
    from weasyprint.urls import URLFetcher

    class OwnFilesOnly(URLFetcher):
        """Opens our fonts and nothing else; pictures inside the document are no files."""

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if not url.startswith("data:image/svg+xml;base64,") and url not in _own_files():
                raise ValueError(f"not a file of the report: {url}")
            return super().fetch(url, headers)

    return OwnFilesOnly(allowed_protocols=("file", "data"), allow_redirects=False)


@cache
def _own_files() -> frozenset[str]:
    return frozenset(path.as_uri() for path in _FONTS.glob("*.ttf"))


def missing_libraries() -> list[str]:
    """Libraries that reports need and the linker does not find: quick, but known on Linux only."""
    return [name for name in _LIBRARIES if sys.platform == "linux" and not _loads(name)]


@checks.register()
def check_libraries(**_kwargs: Any) -> Iterable[checks.CheckMessage]:
    """Warn at start where reports cannot be made."""
    missing = missing_libraries()
    if not missing:
        return []
    return [
        checks.Warning(
            f"PDF reports cannot be made: {', '.join(missing)} not found.",
            hint=f"Install them, on Debian and Ubuntu with: apt-get install {PACKAGES}",
            id="risks.W001",
        )
    ]


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
