"""Texts of records in both languages: two plain columns and one descriptor that picks between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language


def record_language() -> str:
    """Suffix of the columns that the reader's language prefers: `en` or `zh`."""
    return "zh" if (get_language() or "").startswith("zh") else "en"


class Translated:
    """`title = Translated()` reads `title_en` or `title_zh`: the one the reader prefers, else the other."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.english, self.chinese = f"{name}_en", f"{name}_zh"

    def __get__(self, instance: Any, owner: type) -> str:
        if instance is None:
            return self  # type: ignore[return-value]
        english, chinese = getattr(instance, self.english), getattr(instance, self.chinese)
        return (chinese or english) if record_language() == "zh" else (english or chinese)


@dataclass(frozen=True)
class Text:
    """A text somebody gives, in one or both languages."""

    en: str = ""
    zh: str = ""

    @classmethod
    def of(cls, text: str) -> Text:
        """What was typed just now, taken to be in the reader's language."""
        return cls(**{record_language(): text.strip()})

    def __bool__(self) -> bool:
        return bool(self.en or self.zh)

    def __str__(self) -> str:
        return (self.zh or self.en) if record_language() == "zh" else (self.en or self.zh)

    def columns(self, name: str) -> dict[str, str]:
        """The two columns of a translated field, ready for a constructor."""
        return {f"{name}_en": self.en, f"{name}_zh": self.zh}
