"""What changed between Klaviyo's own revisions: true, complete and readable."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import pytest

from codegen.diffing import report, version
from codegen.diffing.changes import Rating
from codegen.diffing.compare import Diff, between
from codegen.diffing.interface import of_plan
from codegen.generating import emit, package, plan
from codegen.specs.assemble import load_revision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codegen.diffing.interface import Interface
    from codegen.generating.plan import Plan
    from codegen.specs.assemble import Spec
    from tests.codegen.conftest import Sets

OLD, NEW = "2026-04-15", "2026-07-15"
BEFORE = "2026-01-15"
PAIRS = [(BEFORE, OLD), (OLD, NEW)]


class Revisions:
    """What becomes of revisions: each is parsed once."""

    def __init__(self, specs: Path, sets: Sets, folder: Path) -> None:
        self.folder = folder
        self._folders = {OLD: specs, NEW: specs, BEFORE: sets.specs}
        self.interface, self.names = cache(self._interface), cache(self._names)
        self._plans: dict[str, Plan] = {}
        self._plan = plan.plan

    def plan(self, spec: Spec, source: Path) -> Plan:
        """In place of the generator's own."""
        if spec.revision not in self._plans:
            self._plans[spec.revision] = self._plan(spec, source)
        return self._plans[spec.revision]

    def _interface(self, revision: str) -> Interface:
        specs = self._folders[revision]
        spec = load_revision(specs, revision)
        return of_plan(spec, self.plan(spec, specs / revision))

    def diff(self, old: str, new: str) -> Diff:
        return between(self.interface(old), self.interface(new), (old, new))

    def _names(self, revision: str) -> set[str]:
        """The public names of the generated sources."""
        emit.generate(revision, self._folders[revision], self.folder / revision, None)
        return set(_names_in(self.folder / revision / "klaviyo_async"))


@pytest.fixture(scope="module")
def revisions(specs: Path, sets: Sets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Revisions]:
    sets.report(BEFORE)
    found = Revisions(specs, sets, tmp_path_factory.mktemp("packages"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "plan", found.plan)
        yield found


def _names_in(package: Path) -> Iterator[str]:
    for path in sorted((package / "api").glob("*.py")):
        body = _tree(path).body
        if path.stem == "types":
            yield from (f"api.types.{name}" for each in body for name in _bound(each))
        elif path.stem == "_bulk":
            yield from _functions("bulk", _tree(path).body)
        elif path.stem != "__init__":
            yield f"api.{path.stem}"
            yield from _functions(f"api.{path.stem}", body)
    for part in ("models", "resources"):
        for path in sorted((package / part).glob("*.py")):
            for each in _tree(path).body:
                if path.stem == "__init__" and isinstance(each, ast.Assign) and isinstance(each.value, ast.Dict):
                    yield from (f"{part}.{ast.literal_eval(key)}" for key in each.value.keys if key is not None)
                if isinstance(each, ast.ClassDef):
                    fields = [one.target for one in each.body if isinstance(one, ast.AnnAssign)]
                    yield from (f"{part}.{each.name}.{one.id}" for one in fields if isinstance(one, ast.Name))
    for path in sorted((package / "filters").glob("[!_]*.py")):
        classes = [each for each in _tree(path).body if isinstance(each, ast.ClassDef)]
        yield f"filters.{classes[-1].name}"
        for node in ast.walk(ast.Module([*classes], [])):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                yield f"filters.{classes[-1].name}.{node.args[0].value}"


def _functions(owner: str, body: list[ast.stmt]) -> Iterator[str]:
    (namespace,) = (each for each in body if isinstance(each, ast.ClassDef))
    for each in namespace.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{owner}.{each.name}"
            arguments = [*each.args.args, *each.args.kwonlyargs]
            yield from (f"{owner}.{each.name}({one.arg})" for one in arguments if one.arg != "self")
    yield from (f"{owner}.{name}" for each in body for name in _bound(each) if isinstance(each, ast.AnnAssign))


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (each.id for each in targets if isinstance(each, ast.Name))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _told(name: str, gone: set[str]) -> bool:
    """Whether a name is told itself or with what it is a part of."""
    parts = [name[:index] for index, letter in enumerate(name) if letter in ".("]
    return name in gone or any(part in gone for part in parts if part.count("."))


@pytest.mark.parametrize(("old", "new"), [*PAIRS, *[(new, old) for old, new in PAIRS]])
def test_every_public_name_that_goes_is_told(old: str, new: str, revisions: Revisions) -> None:
    before, after = revisions.names(old), revisions.names(new)
    gone = revisions.diff(old, new).gone()
    assert len(before) > 8_000
    assert [name for name in sorted(before - after) if not _told(name, gone)] == []
    assert sorted(gone & after) == []


@pytest.mark.parametrize("revision", [BEFORE, OLD, NEW])
def test_the_interface_has_the_names_of_the_sources(revision: str, revisions: Revisions) -> None:
    sources = {name for name in revisions.names(revision) if not name.startswith("filters.") or name.count(".") == 1}
    ours = {name for name in revisions.interface(revision).names() if not name.startswith("operations[")}
    fixed = {f"api.types.{name}" for name in ("AnyFields", "AnyMapping", "AnyResource", "ResourceDocument", "Unchecked", "WholeResource")}  # fmt: skip
    assert sources - ours == fixed
    assert ours - sources == set()


# --- 2026-04-15 → 2026-07-15, read by a person and found true


def _lines(diff: Diff, rating: Rating) -> list[str]:
    return [f"{each.subject}: {each.text}" for each in diff.rated(rating)]


def test_what_breaks_in_2026_07_15(revisions: Revisions) -> None:
    diff = revisions.diff(OLD, NEW)
    assert diff.counts["functions"] == (309, 345)
    assert _lines(diff, Rating.BREAKING) == [
        "get_profile: `include` no longer takes `conversation`, now `conversations`",
        "get_profiles: `include` no longer takes `conversation`, now `conversations`",
        "models.FlowSms.message_hierarchy: each item: mapping → `MessageHierarchyRcsItem` or `MessageHierarchySmsItem` or text",
        "models.GetProfileResponseCollectionCompoundDocument: is now `models.GetProfileResponsePluralConversationsCollectionCompoundDocument`",
        "models.GetProfileResponseCompoundDocument: is now `models.GetProfileResponsePluralConversationsCompoundDocument`",
    ]
    assert _lines(diff, Rating.POSSIBLY) == [
        "models.ProfileHasCustomObjectFilter.filter: now also `ListContainsOperatorListContainsFilter` or `ListLengthFilter`",
        "models.StreetAddress.city: may be null, and reads as None then",
    ]
    assert sum(each.kind == "function-added" for each in diff.changes) == 37  # one is a method of bulk


def test_the_report_of_2026_07_15(revisions: Revisions) -> None:
    diff = revisions.diff(OLD, NEW)
    text = report.as_markdown(diff, version.propose(diff), version.entry(diff))
    shown = [line for line in text.splitlines() if not line.startswith("  ")]
    assert len(shown) < 150
    assert max(map(len, shown)) < 400
    assert "- `meta` in 230 classes: added (`ResponseMeta`)" in text
    assert "- `create_conversation_message(message_hierarchy=)`: added (list of" in text
    assert len(report.as_markdown(diff, version.propose(diff), version.entry(diff), limit=8_000)) <= 8_000


def test_the_way_back_breaks_more(revisions: Revisions) -> None:
    diff = revisions.diff(NEW, OLD)
    assert sum(each.kind == "function-removed" for each in diff.changes) == 37  # one is a method of bulk
    assert "models.ThrottledSendStrategy.throttle_percentage: no longer `1`, `2`, `5`" in _lines(diff, Rating.BREAKING)


def test_no_revision_differs_from_itself(revisions: Revisions) -> None:
    assert revisions.diff(NEW, NEW).changes == []


# --- 2026-01-15 → 2026-04-15: other ways to say the same all over, read by a person and found true


def test_what_breaks_in_2026_04_15(revisions: Revisions) -> None:
    diff = revisions.diff(BEFORE, OLD)
    assert diff.counts["functions"] == (304, 309)
    names = {"class-renamed": 43, "values-removed": 201, "type-removed": 24}
    kinds = [each.kind for each in diff.rated(Rating.BREAKING)]
    assert {kind: kinds.count(kind) for kind in names} == names
    assert [f"{each.subject}: {each.text}" for each in diff.rated(Rating.BREAKING) if each.kind not in names] == [
        "delete_tag_group: returns None, was `DeleteTagGroupResponse`",
        "update_tag_group: returns None, was `PatchTagGroupResponse`",
        "models.CollectionLinks.first: removed (text)",
        "models.CollectionLinks.last: removed (text)",
        "models.DeleteTagGroupResponse: removed",
        "models.FormCreateQueryAttributes.status: no longer `live`",
        "models.PatchTagGroupResponse: removed",
        "models.SMSDisclosureStyles.link_styles: `SMSDisclosureTextStyle` → `SMSDisclosureLinkTextStyle`",
    ]
    renamed = {each.subject: each.text for each in diff.changes if each.kind == "class-renamed"}
    assert renamed["models.ButtonBlock"] == "is now `models.ButtonBlockV0`"
    assert renamed["models.TemplateCreateQuery"] == "is now `models.TemplateCreateHtmlOrDndQuery`"
    assert sum(each.shrinks for each in diff.changes) == 16  # limits of bulk jobs
