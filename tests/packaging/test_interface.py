"""No public name goes, and no signature gets stricter, without a word in the CHANGELOG's newest section."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("griffe")

from tests.packaging.interface import RECORDED, ROOT, breaks, lines


def newest_section() -> str:
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    return sections[1]


def test_what_breaks_is_in_the_changelog() -> None:
    told = newest_section()
    broken = breaks(RECORDED.read_text("utf-8").splitlines(), lines())
    silent = [name for name in broken if name.rpartition(".")[2] not in told and name.split(".")[-2] not in told]
    assert silent == [], (
        "These changed in a way that breaks code, and CHANGELOG.md's newest section doesn't name them. Tell users there, or"
        " keep them. (At a release: python -m tests.packaging.interface)"
    )


def test_the_interface_is_found() -> None:
    found = lines()
    assert len(found) > 300
    assert "class klaviyo_async.client.Klaviyo" in found
    assert any(line.startswith("klaviyo_async.client.Klaviyo.with_options(*, timeout=") for line in found)
    assert not [line for line in found if "klaviyo_async.models." in line]


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("f(a, b=)", "f(a, b=)", False),
        ("f(a, b=)", "f(a, b=, c=)", False),
        ("f(a, b=)", "f(a, b=, *, c=)", False),
        ("f(a)", "f(a=)", False),
        ("f(*, a)", "f(a)", False),
        ("f(*args)", "f(*args, **more)", False),
        ("f(a)", "f()", True),
        ("f(a, b)", "f(b, a)", True),
        ("f(a)", "f(*, a)", True),
        ("f(a=)", "f(a)", True),
        ("f(*, a=)", "f(*, a)", True),
        ("f(a)", "f(a, b)", True),
        ("f(a)", "f(a, *, b)", True),
        ("f(*args)", "f()", True),
        ("f(*, a)", "f(*, b)", True),
        ("class C", "class D", True),
    ],
)
def test_what_counts_as_breaking(old: str, new: str, broken: bool) -> None:
    assert bool(breaks([old], [new])) is broken
