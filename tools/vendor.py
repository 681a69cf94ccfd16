"""Fetch the pinned front-end files into static/vendor (and axe-core into tests/vendor).

    python tools/vendor.py           fetch, unpack, build the icon sprite, write the manifest
    python tools/vendor.py --check   compare the tree with the committed manifests; no network

A maintainers' tool: the standard library and `npm pack` are all it needs, and the product never runs it.
To upgrade, change a version below and its integrity (`npm view NAME@VERSION dist.integrity`).
"""

import argparse
import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = "static/vendor"
MANIFEST = f"{VENDOR}/manifest.json"
# Each manifest answers for every file below its folders.
MANIFESTS = {MANIFEST: (VENDOR, "tests/vendor"), "static/fonts/manifest.json": ("static/fonts",)}

SVG = "http://www.w3.org/2000/svg"
# The outline icons of the sprite.
ICONS = """
    adjustments alarm alert-triangle arrow-down-right arrow-right arrow-up-right arrows-move
    arrows-split bell bookmark books calendar-check chart-area check chevron-down chevron-left
    chevron-right chevron-up circle circle-check circle-dashed circle-x clock clock-exclamation columns
    copy device-desktop dots download external-link eye file-spreadsheet file-text file-type-pdf filter
    flag folder gauge grid-dots grip-vertical help history home info-circle keyboard language
    layout-dashboard layout-kanban link list lock logout message minus moon pencil plus printer progress
    refresh scale search settings shield shield-check sun table target template trash umbrella user
    users x
"""

Members = Mapping[str, bytes]


@dataclass(frozen=True)
class Package:
    """One npm package at one version: `files` maps a path inside it to a path in the repository,
    `build` makes further files (repository path: content) out of everything the package holds."""

    name: str
    version: str
    integrity: str
    licence: str
    files: Mapping[str, str] = field(default_factory=dict)
    build: Callable[[Members], dict[str, bytes]] | None = None

    def outputs(self) -> dict[str, bytes]:
        """Fetch the package and return what it contributes to the repository, by path."""
        members = fetch(self)
        made = {target: without_source_map(members[source]) for source, target in self.files.items()}
        return made | (self.build(members) if self.build else {})

    def entry(self, outputs: Members) -> dict[str, object]:
        """The package's record in a manifest."""
        return {
            "name": self.name,
            "version": self.version,
            "licence": self.licence,
            "integrity": self.integrity,
            "files": digests(outputs),
        }


def build_sprite(members: Members) -> dict[str, bytes]:
    """Join the outline icons named in ICONS into one file of <symbol>s.

    Raises KeyError when the package has no such icon."""
    ET.register_namespace("", SVG)
    sprite = ET.Element(f"{{{SVG}}}svg")
    for name in ICONS.split():
        icon = ET.fromstring(members[f"icons/outline/{name}.svg"])  # noqa: S314 (the package's hash is pinned)
        symbol = ET.SubElement(
            sprite,
            f"{{{SVG}}}symbol",
            {
                "id": name,
                "viewBox": "0 0 24 24",
                "fill": "none",
                "stroke": "currentColor",
                "stroke-width": "2",
                "stroke-linecap": "round",
                "stroke-linejoin": "round",
            },
        )
        # The invisible 24×24 square in each icon only helps drawing programs.
        for shape in (s for s in icon if s.get("stroke") != "none"):
            shape.tail = None
            symbol.append(shape)
        symbol.tail = "\n"
    return {f"{VENDOR}/tabler-icons/sprite.svg": ET.tostring(sprite, encoding="utf-8") + b"\n"}


PACKAGES = (
    Package(
        "@tabler/core",
        "1.6.1",
        "sha512-lgmR9gcxRp5JlLxcmRi9Rz85JrEvH6Bz71KnlcPVSa97wtwQNjgSs3g3fxwbAlulHyRMghhIV04QUuW3pqDsIg==",
        "MIT",
        {"dist/css/tabler.min.css": f"{VENDOR}/tabler/tabler.min.css"},
    ),
    # Newer packages of @tabler/core came without their licence text.
    Package(
        "@tabler/core",
        "1.0.0",
        "sha512-uFmv6f8TAaW2JaGwzjT1LfK+TjmBQSTCoznCMdV5uur4cv4TtJlV8Hh1Beu55YX0svMtOQ0Xts7tYv/+qBEcfA==",
        "MIT",
        {"LICENSE": f"{VENDOR}/tabler/LICENSE"},
    ),
    # Tabler's style sheet is built upon Bootstrap's, whose notice it has to carry too.
    Package(
        "bootstrap",
        "5.3.8",
        "sha512-HP1SZDqaLDPwsNiqRqi5NcP0SSXciX2s9E+RyqJIIqGo+vJeN5AJVM98CXmW/Wux0nQ5L7jeWUdplCEf0Ee+tg==",
        "MIT",
        {"LICENSE": f"{VENDOR}/tabler/LICENSE-bootstrap"},
    ),
    Package(
        "@tabler/icons",
        "3.51.0",
        "sha512-0pinvPZz7YeX+OSfxuEAbnEPWbocVXW5iU8h5lh41pYG8sZuQfpWECC980lxOT0clGIcNGn8xsBr+zKaRGdA/g==",
        "MIT",
        {"LICENSE": f"{VENDOR}/tabler-icons/LICENSE"},
        build_sprite,
    ),
    Package(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "MPL-2.0",
        {
            "axe.min.js": "tests/vendor/axe.min.js",
            "LICENSE": "tests/vendor/axe.LICENSE",
            "LICENSE-3RD-PARTY.txt": "tests/vendor/axe.LICENSE-3RD-PARTY.txt",
        },
    ),
)


def fetch(package: Package) -> dict[str, bytes]:
    """Download a package and return its files, by path inside the package.

    Raises SystemExit when what npm delivers is not what `integrity` promises."""
    spec = f"{package.name}@{package.version}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", spec, "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        content = archive.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.integrity:
        sys.exit(f"{spec}: integrity is {found}, expected {package.integrity}")
    members = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for info in tar:
            if stream := tar.extractfile(info):
                members[info.name.partition("/")[2]] = stream.read()
    return members


def without_source_map(content: bytes) -> bytes:
    """Drop the pointer to a source map: we do not ship the map, and a manifest storage would look for it."""
    return re.sub(rb"\n?(/\*# sourceMappingURL=[^*]*\*/|//# sourceMappingURL=\S*)", b"", content)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digests(files: Members) -> dict[str, str]:
    return {path: digest(content) for path, content in sorted(files.items())}


def write_outputs(outputs: Members) -> None:
    """Write files by repository path and print their sizes."""
    for path, content in sorted(outputs.items()):
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        print(f"{len(content):>10,}  {path}")


def write_manifest(path: str, entries: list[dict[str, object]], own: Members | None = None) -> None:
    """Record the packages' entries and the digests of files that are our own work."""
    content = {"packages": entries, "own": digests(own or {})}
    (ROOT / path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def problems(manifest: str, folders: Iterable[str]) -> list[str]:
    """What differs between a manifest and the files below its folders: changed, missing or unknown files."""
    recorded = json.loads((ROOT / manifest).read_text(encoding="utf-8"))
    expected = dict(recorded["own"])
    for entry in recorded["packages"]:
        expected |= entry["files"]
    present = {
        str(path.relative_to(ROOT)): digest(path.read_bytes())
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    del present[manifest]
    return [
        *(f"missing: {path}" for path in sorted(expected.keys() - present.keys())),
        *(f"unknown: {path}" for path in sorted(present.keys() - expected.keys())),
        *(
            f"changed: {path}"
            for path in sorted(expected)
            if present.get(path, expected[path]) != expected[path]
        ),
    ]


def check() -> int:
    """Print every difference from the committed manifests; the exit status says whether there is any."""
    found = [line for manifest, folders in MANIFESTS.items() for line in problems(manifest, folders)]
    print("\n".join(found) or "Vendored files match their manifests.")
    return 1 if found else 0


def update() -> int:
    """Fetch every package, write its files, and the manifest last."""
    entries = []
    for package in PACKAGES:
        outputs = package.outputs()
        write_outputs(outputs)
        entries.append(package.entry(outputs))
    write_manifest(MANIFEST, entries)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="verify the tree and fetch nothing")
    sys.exit(check() if parser.parse_args().check else update())
