"""Both languages, always: every string is in the catalogue, translated, placeholders kept, and compiled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf import settings

CATALOGUE = Path("risks/locale/zh_Hans/LC_MESSAGES/django.po")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
CHINESE = r"\u4e00-\u9fff"
HALF_WIDTH = re.compile(
    rf"[{CHINESE}][,;:!?]|[,;:!?][{CHINESE}]|[{CHINESE}]\.(\s|$)|[{CHINESE}]\(|\)[{CHINESE}]"
)


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(settings.BASE_DIR / CATALOGUE))


def _translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def test_catalogue_has_no_untranslated_fuzzy_or_obsolete_entry(catalogue: polib.POFile) -> None:
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    assert [entry.msgid for entry in catalogue.obsolete_entries()] == []


def test_translations_keep_the_placeholders(catalogue: polib.POFile) -> None:
    wrong = []
    for entry in catalogue:
        allowed = set(PLACEHOLDER.findall(entry.msgid)) | set(PLACEHOLDER.findall(entry.msgid_plural))
        for text in _translations(entry):
            used = set(PLACEHOLDER.findall(text))
            if not used <= allowed or (not entry.msgid_plural and used != allowed):
                wrong.append((entry.msgid, text))
    assert wrong == []


def test_chinese_uses_full_width_punctuation(catalogue: polib.POFile) -> None:
    wrong = [
        text
        for entry in catalogue
        for text in _translations(entry)
        if HALF_WIDTH.search(PLACEHOLDER.sub("", text))
    ]
    assert wrong == []


def test_compiled_catalogue_is_that_of_the_source(catalogue: polib.POFile) -> None:
    compiled = polib.mofile(str(settings.BASE_DIR / CATALOGUE.with_suffix(".mo")))

    def texts(entries: Iterator[polib.POEntry]) -> dict[tuple[str | None, str], list[str]]:
        return {(entry.msgctxt, entry.msgid): _translations(entry) for entry in entries}

    assert texts(iter(compiled)) == texts(iter(catalogue))


@pytest.mark.skipif(not shutil.which("xgettext"), reason="GNU gettext is not installed")
def test_every_string_of_code_and_templates_is_in_the_catalogue(
    catalogue: polib.POFile, tmp_path: Path
) -> None:
    for name in ("manage.py", "risks", "riskreg", "templates"):
        source = settings.BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
        else:
            shutil.copy(source, tmp_path / name)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "-l", "zh_Hans", "--no-obsolete", "-v0"],
        cwd=tmp_path,
        check=True,
        env={"PATH": os.environ["PATH"], "RISKREG_DEMO": "1", "LANG": "C.UTF-8"},
    )
    found = polib.pofile(str(tmp_path / CATALOGUE))
    assert {(e.msgctxt, e.msgid) for e in found} == {(e.msgctxt, e.msgid) for e in catalogue}
