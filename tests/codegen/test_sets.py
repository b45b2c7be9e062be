"""Every set of documents that Klaviyo has published, as far as they lie beside the project: imported and generated with nothing
dropped."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from codegen.generating.emit import Report, generate
from codegen.importing.importer import ImportReport, import_documents
from codegen.importing.prose import Rules
from codegen.openapi import METHODS
from codegen.references import References
from codegen.specs import tables
from codegen.specs.assemble import Spec, load_revision
from tests.codegen.conftest import PROJECT, SETS
from tests.codegen.places import places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.codegen.conftest import Sets

pytestmark = pytest.mark.skipif(SETS == ["none"], reason="the sets of documents are not on this machine")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


@pytest.fixture(params=SETS)
def revision(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def spec(sets: Sets, revision: str) -> Spec:
    return sets.spec(revision)


@pytest.fixture(scope="module")
def latest(specs: Path) -> Spec:
    return load_revision(specs, "2026-07-15")


def test_every_operation_and_every_schema_that_one_needs(sets: Sets, revision: str, spec: Spec) -> None:
    document, report = sets.document(revision), sets.report(revision)
    routes = {operation["operationId"]: (path, method.upper()) for path, method, operation in operations(document)}
    assert {name: (raw["path"], raw["method"]) for name, raw in spec.operations.items()} == routes
    reached = References(document).reached(document, "document") & {
        found
        for _, _, operation in operations(document)
        for found in References(document).reached(operation, "operation")
    }
    schemas = {name for section, name in reached if section == "schemas"}
    assert spec.document["components"]["schemas"].keys() == schemas
    assert (report.operations, report.components, report.unknown) == (len(routes), len(schemas), [])
    # What is left out is named.
    left = document["components"]["schemas"].keys() - schemas
    assert all(f"schemas/{name}" in " ".join(report.notes) for name in left)


def test_filters_are_those_of_the_document_or_its_words(sets: Sets, revision: str, spec: Spec) -> None:
    wanted: dict[str, dict[str, set[str]]] = {}
    for _, _, operation in operations(sets.document(revision)):
        name = operation["operationId"]
        if said := operation.get("x-klaviyo-filters"):
            wanted[name] = {
                field: {each for some in facts["operators"].values() for each in some} for field, facts in said.items()
            }
            continue
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "filter":
                # By another rule than the importer's: a field is what stands in code before a colon.
                words = parameter["description"].partition("operator(s):")[2]
                fields = re.split(r"`([^`]+)`\s*:", words)
                wanted[name] = {
                    field: set(re.findall(r"`([^`]+)`", rest))
                    for field, rest in zip(fields[1::2], fields[2::2], strict=True)
                }
    found = {
        name: {
            field: {each for some in facts["operators"].values() for each in some}
            for field, facts in raw["x-klaviyo-filters"].items()
        }
        for name, raw in spec.operations.items()
        if "x-klaviyo-filters" in raw
    }
    assert found == wanted
    assert sum(map(len, wanted.values())) > 0


def test_paths_are_kept_to_the_letter(sets: Sets, revision: str, spec: Spec) -> None:
    assert {raw["path"] for raw in spec.operations.values()} == sets.document(revision)["paths"].keys()
    if revision in {"2022-10-17", "2023-12-15", "2024-05-15"}:
        assert spec.operations["get_profiles"]["path"] == "/api/profiles/"


def test_values_of_filters_are_what_later_revisions_say(revision: str, spec: Spec, latest: Spec) -> None:
    """Where a later revision has the same field on the same operation, the words gave the same type."""
    compared = 0
    for name, raw in spec.operations.items():
        known = latest.operations.get(name, {}).get("x-klaviyo-filters", {})
        for field, facts in raw.get("x-klaviyo-filters", {}).items():
            if field in known:
                compared += 1
                here, there = (each.get("value") or {} for each in (facts, known[field]))
                assert (here.get("type"), here.get("format")) == (there.get("type"), there.get("format")), (name, field)
    assert compared or revision.endswith(".pre")


def test_operators_take_lists_where_later_revisions_say_so(sets: Sets, latest: Spec) -> None:
    sets.report("2026-01-15")
    earlier, later = sets.spec("2026-01-15").operations, latest.operations
    for name, raw in earlier.items():
        for field, facts in raw.get("x-klaviyo-filters", {}).items():
            there = later.get(name, {}).get("x-klaviyo-filters", {}).get(field, {}).get("operators", {})
            assert set(there.get("list", ())) - {"equals"} <= set(facts["operators"].get("list", ())), (name, field)
            assert set(there.get("none", ())) <= set(facts["operators"].get("none", ())), (name, field)


def test_the_words_of_a_revision_that_has_the_extension_say_the_same(
    upstream: Path, imported: tuple[Path, Any], tmp_path: Path
) -> None:
    """Without its extensions, 2026-04-15 gives the filters, and all but the listed values of them, from its words."""
    documents = []
    for path in sorted((upstream / "2026-04-15").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for _, _, operation in operations(document):
            operation.pop("x-klaviyo-filters", None)
        documents.append(document)
    (tmp_path / "all.json").write_text(json.dumps(documents), encoding="utf-8")
    report = import_documents(tmp_path / "all.json", "2026-04-15", tmp_path / "specs")
    assert report.filters == 53
    found, wanted = (load_revision(specs, "2026-04-15").operations for specs in (tmp_path / "specs", imported[0]))
    for name, raw in wanted.items():
        there, here = raw.get("x-klaviyo-filters", {}), found[name].get("x-klaviyo-filters", {})
        assert here.keys() == there.keys()
        for field, facts in there.items():
            value, taken = facts.get("value") or {}, here[field].get("value") or {}
            assert (taken.get("type"), taken.get("format")) == (value.get("type"), value.get("format")), (name, field)


def test_the_summary_counts(sets: Sets) -> None:
    lines = str(sets.report("2026-01-15")).splitlines()
    assert lines[0] == "specs/2026-01-15: 304 operations, 1279 components (304 added, 0 removed, 0 changed)"
    assert lines[1] == "extensions: 7 known, 0 not known"
    assert lines[2].startswith("prose: ")
    assert lines[3] == "filters taken from prose: 53 operations"


def test_operations_that_a_beta_took_over_from_the_one_before_are_told(sets: Sets) -> None:
    assert "27 operations ask for revision 2026-01-15.pre" in sets.report("2026-04-15.pre").notes
    assert any("is labelled '2023-01-25.pre'" in note for note in sets.report("2023-02-22.pre").notes)


def test_every_ignore_rule_ignores_something(imported: tuple[Path, dict[str, ImportReport]], sets: Sets) -> None:
    """In one of the revisions that there are documents of."""
    every = {rule["pattern"] for rule in tables.read(PROJECT / "specs" / "overrides.toml", "ignore")}
    used = {
        pattern
        for revision, report in [*imported[1].items(), *((revision, sets.report(revision)) for revision in SETS)]
        for pattern in {rule.pattern.pattern for rule in Rules.load(PROJECT / "specs", revision).ignores}
        - {*report.idle}
    }
    assert every - used == set()


def test_the_words_of_earlier_revisions_and_betas_are_understood(sets: Sets) -> None:
    left = {revision: [str(each) for each in sets.report(revision).sentences] for revision in SETS}
    # Here the document says two things of one filter; the extension is taken.
    odd = left.pop("2026-04-15.pre")
    assert len(odd) == 1
    assert (
        "list_customer_agent_conversations_beta /parameters (x-klaviyo-filters says otherwise): `status`: `any`" in odd
    )
    assert {revision: found for revision, found in left.items() if found} == {}


# --- generated


class Packages:
    """The package of each set, generated when it is first asked for."""

    def __init__(self, sets: Sets, folder: Path) -> None:
        self.sets, self.folder = sets, folder
        self._reports: dict[str, Report] = {}

    def report(self, revision: str) -> Report:
        if revision not in self._reports:
            self.sets.report(revision)
            self._reports[revision] = generate(revision, self.sets.specs, self.folder, name_of(revision))
        return self._reports[revision]


def name_of(revision: str) -> str:
    return "klaviyo_" + re.sub(r"\W", "_", revision)


@pytest.fixture(scope="module")
def packages(sets: Sets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packages]:
    folder = tmp_path_factory.mktemp("packages")
    sys.path.insert(0, str(folder))
    try:
        yield Packages(sets, folder)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] in map(name_of, SETS)]:
            del sys.modules[name]


def test_the_package_has_every_operation_and_every_schema(packages: Packages, revision: str, spec: Spec) -> None:
    report = packages.report(revision)
    package = name_of(revision)
    table = importlib.import_module(f"{package}.operation_table")
    assert (report.operations, set(table.operations)) == (len(spec.operations), set(spec.operations))
    for name, operation in table.operations.items():
        raw = spec.operations[name]
        assert (operation.method, operation.path) == (raw["method"], raw["path"])
        assert callable(getattr(importlib.import_module(f"{package}.api.{operation.tag}"), name))
        filters = {
            field: {each for some in facts["operators"].values() for each in some}
            for field, facts in raw.get("x-klaviyo-filters", {}).items()
        }
        assert {field: set(facts.operators) for field, facts in operation.filters.items()} == filters or (
            "x-header-filters" in raw
        )
        if any(parameter.kind == "page_cursor" for parameter in operation.parameters):
            assert operation.pagination is not None, name
    models = importlib.import_module(f"{package}.models")
    for name in spec.document["components"]["schemas"]:
        assert hasattr(models, name), name


def test_what_a_set_contradicts_itself_in_is_known(packages: Packages, revision: str) -> None:
    """Else look at the new note: is the union right, or does an override serve the user better?"""
    assert packages.report(revision).gathered.notes == []


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(name for name in SETS if not name.endswith(".pre"))))
def test_names_stay_from_one_set_to_the_next(packages: Packages, earlier: str, later: str) -> None:
    """What both have, by the schema or resource and the properties that lead to it, is called the same."""
    first, second = (dict(places(packages.report(revision).gathered)) for revision in (earlier, later))
    both = first.keys() & second.keys()
    differing = [(first[place], second[place]) for place in both if first[place] != second[place]]
    # A relationship is called after what it leads to, which some of the sets say and others don't.
    targets = ("ToOne", "ToMany")
    assert [names for names in differing if not any(name.endswith(targets) for name in names)] == []


def test_every_package_type_checks(packages: Packages) -> None:
    """All in one process: half a minute, most of it mypy's own."""
    for revision in SETS:
        packages.report(revision)
    config = packages.folder / "mypy.ini"
    config.write_text("[mypy]\npython_version = 3.11\nstrict = true\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", os.devnull]
    done = subprocess.run(
        [*command, *map(name_of, SETS)],
        cwd=packages.folder,
        env=os.environ | {"MYPYPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.rpartition("in ")[0], done.stderr) == ("Success: no issues found ", ""), done.stdout[-4000:]


def test_the_documents_names_are_the_users(packages: Packages) -> None:
    """Names that the engine would change: `Ab_test_campaignEnum`, `_MetricCreateQuery`."""
    for revision, name in (("2025-01-15", "Ab_test_campaignEnum"), ("2022-10-17", "_MetricCreateQuery")):
        packages.report(revision)
        models = importlib.import_module(f"{name_of(revision)}.models")
        assert name in models.__all__
        assert getattr(models, name) is not None


def test_an_id_beside_the_one_of_the_path_is_id_with_an_underscore(packages: Packages) -> None:
    packages.report("2022-10-17")
    table = importlib.import_module(f"{name_of('2022-10-17')}.operation_table").operations
    clone = next(
        operation
        for operation in table.values()
        if operation.path_parameters == ("id",) and operation.body is not None and "clone" in operation.path
    )
    assert clone.body.resource.id_keyword == "id_"
    assert clone.body.id_from_path is None
