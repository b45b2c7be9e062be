"""Packages of other revisions, generated once: two small ones of our own, one of them deep inside another package."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.revisions import TEXT, Document, generated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


def old_document() -> Document:
    """An earlier revision: profiles with less than they have today, under the same names of operations."""
    document = Document("2026-04-15")
    profile = {"email": TEXT, "first_name": TEXT, "created": {"type": "string", "format": "date-time"}}
    limits = ("75/s", "750/m")
    document.add(
        "profile", "profiles", profile, relationships={"lists": ("list", True)}, linkage=("lists",), limits=limits
    )
    document.add("list", "lists", {"name": TEXT}, actions=("list", "create", "read"), limits=limits)
    return document


def beta_document() -> Document:
    """A beta: resources that nothing else has, and paths that end in a slash."""
    document = Document("2026-04-15.pre", ending="_beta", slash=True)
    document.add(
        "widget",
        "widgets",
        {"name": TEXT, "colour": {**TEXT, "nullable": True}, "created": {"type": "string", "format": "date-time"}},
        required=("name",),
        relationships={"gadgets": ("gadget", True), "owner": ("gadget", False)},
        linkage=("gadgets", "owner"),
    )
    document.add("gadget", "gadgets", {"name": TEXT}, relationships={"widgets": ("widget", True)}, linkage=("widgets",))
    return document


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """`old`, which lies inside another package, and `beta`."""
    folder = tmp_path_factory.mktemp("packages")
    yield {
        "old": generated(old_document().as_json(), "shop.vendored.klaviyo_2026_04", folder / "old"),
        "beta": generated(beta_document().as_json(), "klaviyo_beta", folder / "beta"),
    }
    for name in [name for name in sys.modules if name.startswith(("shop", "klaviyo_beta"))]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def roots(packages: dict[str, ModuleType]) -> list[Path]:
    """The folders to look for the packages in."""
    from pathlib import Path  # noqa: PLC0415

    found = [Path(str(package.__file__)).parents[package.__name__.count(".") + 1] for package in packages.values()]
    return [root for root in found if root.is_dir()]


@pytest.fixture(scope="session")
def old(packages: dict[str, ModuleType]) -> ModuleType:
    return packages["old"]


@pytest.fixture(scope="session")
def beta(packages: dict[str, ModuleType]) -> ModuleType:
    return packages["beta"]
