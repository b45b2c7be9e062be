"""`python -m codegen docs`: every operation and resource has its place, every page is in the navigation, links lead somewhere."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from codegen.__main__ import main
from codegen.documenting import reference, source
from klaviyo_async import operations, resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert main(["docs", "--out", str(folder / "docs")]) == 0
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    return {
        path.relative_to(site / "docs").as_posix(): path.read_text("utf-8") for path in (site / "docs").rglob("*.md")
    }


def test_every_operation_has_its_section_once(pages: dict[str, str]) -> None:
    for name, operation in operations.items():
        page = pages[f"reference/{operation.tag}.md"]
        assert page.count(f"\n## {name} {{ #{name} }}\n") == 1
        section = page.split(f"\n## {name} {{ #{name} }}\n")[1].split("\n## ")[0]
        assert f"`{operation.method} {operation.path}`" in section
        assert f"\n{name}(" in section
        assert f"klaviyo.{operation.tag}.{name}(" in section
        assert operation.reference in section
        for scope in operation.scopes:
            assert f"`{scope}`" in section
        for field in operation.filters:
            assert f"| `{field}` |" in section
        assert ", ".join(operation.limits.rates) in section
        assert (
            f"](#{name})" in pages["reference/index.md"] or f"{operation.tag}.md#{name}" in pages["reference/index.md"]
        )


def test_every_resource_tells_its_attributes(pages: dict[str, str]) -> None:
    page = pages["reference/resources.md"]
    for name in ("Profile", "Event", "CampaignMessage"):
        section = page.split(f"\n## {name} {{ #{name.lower()} }}\n")[1].split("\n## ")[0]
        attributes = getattr(resources, f"{name}Attributes")
        assert [field for field in attributes._wires if f"| `{field}` |" not in section] == []


def test_signatures_are_those_of_the_functions() -> None:
    found = source.functions("klaviyo_async.api.lists")
    assert found["create_list"].signatures[1].startswith("create_list(\n    *,\n    name: str,\n")
    assert found["delete_list"].signatures == (
        "delete_list(id: str, *, options: RequestOptions | None = None) -> None",
    )
    assert "await klaviyo.lists.create_list(" in found["create_list"].example


def test_links_lead_somewhere(pages: dict[str, str]) -> None:
    anchors = {name: set(_anchors(text)) for name, text in pages.items()}
    dead = []
    for name, text in pages.items():
        for link in re.findall(r"\]\(((?!https?://)[^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            path, _, anchor = link.partition("#")
            target = os.path.normpath(f"{name}/../{path}").replace(os.sep, "/") if path else name
            if target not in pages or (anchor and anchor not in anchors[target]):
                dead.append(f"{name}: {link}")
    assert dead == []


def _anchors(text: str) -> Iterator[str]:
    for heading in re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    ):
        named = re.search(r"\{ #(\S+) \}", heading)
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        yield named[1] if named else re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def test_every_page_is_in_the_navigation(site: Path, pages: dict[str, str]) -> None:
    config = tomllib.loads((site / "zensical.toml").read_text("utf-8"))["project"]
    listed = list(_leaves(config["nav"]))
    assert sorted(listed) == sorted(pages)
    assert listed[:7] == [
        "index.md", "clients.md", "reading-values.md", "recipes.md", "sync-jobs.md", "testing.md", "from-klaviyo-api.md",
    ]  # fmt: skip
    assert (site / config["docs_dir"]).is_dir()


def _leaves(entries: Any) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from _leaves(target)


def test_what_leaves_the_docs_goes_to_the_repository(pages: dict[str, str]) -> None:
    assert "/blob/main/examples/webhooks_fastapi.py)" in pages["webhooks.md"]


def test_titles_name_the_pages() -> None:
    assert {name for _, name in reference.titles()} == reference.pages().keys()
