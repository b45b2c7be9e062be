"""`specs/overrides.toml`: facts that upstream says wrongly or only in prose, each with its reason.

An `[[override]]` picks operations, says what they must look like for it to be right, and what to put on them:

```toml
[[override]]
why = "the reason, for people"
operations = ["get_profile"]            # names; or a rule:
where = { methods = ["POST"], path = "*/relationships/*", accepts = "parameter=value", collection = true }
since = "2026-07-15"                    # first revision it is about; `until` the last one
expect = { x-page-rows = 100 }          # what must be there now (false: nothing); else the override is out of date
set = { x-safe-to-repeat = true }       # keys of the operation to put
add = { x-parameter-limits = [{ … }] }  # items to put into lists, each once
drop = ["x-page-rows"]                  # keys to take away
```

Overrides apply in the order of the file, so an exception comes after its rule. A name means the operation's whole family:
`get_campaigns_beta`, and what has been `get_campaigns` before and has that as an alias now. What doesn't fit the shipped
revision is an error; elsewhere it is left out and reported.
"""

from __future__ import annotations

import fnmatch
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.openapi import METHODS
from codegen.references import References
from codegen.specs import extensions, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_KEYS = {"why", "operations", "where", "since", "until", "expect", "set", "add", "drop"}
_WHERE_KEYS = {"methods", "path", "accepts", "collection"}
_BETA = "_beta"


@frozen
class Override:
    """One `[[override]]` of the file."""

    place: str
    why: str
    operations: tuple[str, ...] | None
    methods: frozenset[str]
    path: str
    accepts: str | None
    collection: bool
    period: tables.Period
    expect: dict[str, Any]
    set: dict[str, Any]
    add: dict[str, list[Any]]
    drop: tuple[str, ...]

    def matches(self, operation: Entry, document: dict[str, Any]) -> bool:
        """Whether it is about that operation of `document`."""
        if self.operations is not None and not operation.names & set(self.operations):
            return False
        if self.methods and operation.method.upper() not in self.methods:
            return False
        if self.collection and not is_collection(document, operation.raw):
            return False
        if self.accepts is not None and not accepts(operation.raw, self.accepts):
            return False
        return fnmatch.fnmatchcase(operation.path, self.path)


@define
class Overrides:
    """The overrides of a folder of specs."""

    file: Path
    items: tuple[Override, ...] = ()

    @classmethod
    def load(cls, file: Path) -> Overrides:
        """The overrides in `file`; none where there is no such file. Raises CodegenError."""
        items = enumerate(tables.read(file, "override"))
        return cls(file, tuple(_override(item, file, f"/override/{index}") for index, item in items))

    def apply(self, document: dict[str, Any], revision: str, problems: list[str] | None = None) -> None:
        """Put the facts on the operations of `document`.

        Raises CodegenError where an expectation doesn't hold; with `problems`, such overrides are left out and listed there.
        """
        entries = entries_of(document)
        for override in self.items:
            if override.period.covers(revision):
                for entry in entries:
                    if override.matches(entry, document):
                        self._or_note(partial(self._put, override, entry.name, entry.raw), problems)
        for entry in entries:
            self._check_facts(entry.name, entry.raw)
            for limit in list(entry.raw.get("x-parameter-limits", ())):
                self._or_note(partial(self._check_limit, entry.name, entry.raw, limit), problems)

    @staticmethod
    def _or_note(step: Callable[[], None], problems: list[str] | None) -> None:
        try:
            step()
        except CodegenError as error:
            if problems is None:
                raise
            problems.append(str(error))

    def check(self, documents_by_revision: Mapping[str, dict[str, Any]], shipped: str) -> None:
        """Fail for names and rules that hit nothing: in the shipped revision where they are about it, else in any."""
        for override in self.items:
            about = {
                revision: document
                for revision, document in documents_by_revision.items()
                if override.period.covers(revision)
            }
            if shipped in about:
                about = {shipped: about[shipped]}
            if not about:
                continue
            hits = {
                name
                for document in about.values()
                for entry in entries_of(document)
                if override.matches(entry, document)
                for name in entry.names
            }
            missing = sorted(set(override.operations or ()) - hits)
            if missing or not hits:
                what = f"no such operation: {', '.join(missing)}" if missing else "the rule matches no operation"
                raise CodegenError(f"{what} ({override.why})", file=self.file, place=override.place)

    def _put(self, override: Override, name: str, operation: dict[str, Any]) -> None:
        for key, wanted in override.expect.items():
            found = operation.get(key, False)
            if found != wanted:
                raise CodegenError(
                    f"{name} is expected to have {key} = {wanted!r}, has {found!r}: upstream has changed, check again ({override.why})",
                    file=self.file,
                    place=override.place,
                )
        for key in override.drop:
            operation.pop(key, None)
        for key, value in override.set.items():
            operation[key] = documents.copy(value)
        for key, items in override.add.items():
            present = operation.setdefault(key, [])
            present += [documents.copy(item) for item in items if item not in present]

    def _check_facts(self, name: str, operation: dict[str, Any]) -> None:
        for key, problem in extensions.problems(operation):
            raise CodegenError(f"{name}: {key} {problem}", file=self.file)

    def _check_limit(self, name: str, operation: dict[str, Any], limit: dict[str, Any]) -> None:
        trigger = f"{limit.get('parameter')}={limit.get('value')}"
        if not accepts(operation, trigger) or not limit.get("resource"):
            operation["x-parameter-limits"].remove(limit)
            raise CodegenError(
                f"{name} has a limit for {trigger}, which isn't one of its parameters, or whose resource isn't known:"
                " add an override",
                file=self.file,
            )


def accepts(operation: dict[str, Any], trigger: str) -> bool:
    """Whether the operation takes a parameter with that value, said as `parameter=value` or `parameter`."""
    wanted, _, value = trigger.partition("=")
    for parameter in operation.get("parameters", ()):
        if parameter.get("name") == wanted:
            schema = parameter.get("schema", {})
            values: Sequence[Any] = schema.get("items", schema).get("enum", ())
            return not value or value in values
    return False


def is_collection(document: dict[str, Any], operation: dict[str, Any]) -> bool:
    """Whether the success document of the operation has a list as its `data`."""
    known = References(document)
    for status, response in operation.get("responses", {}).items():
        if status.startswith("2"):
            for media in response.get("content", {}).values():
                data = known.plain(known.properties(media.get("schema", {})).get("data", {}))
                return data.get("type") == "array"
    return False


@frozen
class Entry:
    """An operation of a document, and the names that overrides may mean it by."""

    name: str
    method: str
    path: str
    raw: dict[str, Any]
    names: frozenset[str]


def entries_of(document: dict[str, Any]) -> list[Entry]:
    """The operations of a document.

    Each goes by the names of its family: its own, that without `_beta`, and its aliases, which are what it was called in
    earlier revisions; but not by what another operation of the document is called.
    """
    found = [
        (method, path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]
    taken = {operation["operationId"] for _, _, operation in found}
    entries = []
    for method, path, operation in found:
        name = operation["operationId"]
        family = [name, *operation.get("x-klaviyo-operation-aliases", ())]
        others = {each for known in family for each in (known, known.removesuffix(_BETA))} - taken
        entries.append(Entry(name, method, path, operation, frozenset({name, *others})))
    return entries


def _override(item: Any, file: Path, place: str) -> Override:
    def refuse(problem: str) -> CodegenError:
        return CodegenError(problem, file=file, place=place)

    if not isinstance(item, dict) or not isinstance(item.get("why"), str) or not item["why"].strip():
        raise refuse("an [[override]] needs a why")
    if unknown := item.keys() - _KEYS:
        raise refuse(f"unknown keys: {', '.join(sorted(unknown))}")
    where = item.get("where", {})
    if not isinstance(where, dict) or where.keys() - _WHERE_KEYS:
        raise refuse(f"where accepts {', '.join(sorted(_WHERE_KEYS))}")
    if "operations" not in item and not where:
        raise refuse("specify the operations with `operations` or `where`")
    if not item.keys() & {"set", "add", "drop"}:
        raise refuse("it has no effect: add set, add or drop")
    kinds = {"operations": list, "expect": dict, "set": dict, "add": dict, "drop": list}
    for key, kind in kinds.items():
        if key in item and not isinstance(item[key], kind):
            raise refuse(f"{key} must be a {kind.__name__}")
    if any(not isinstance(value, list) for value in item.get("add", {}).values()):
        raise refuse("add accepts lists")
    return Override(
        place=place,
        why=item["why"],
        operations=tuple(item["operations"]) if "operations" in item else None,
        methods=frozenset(where.get("methods", ())),
        path=where.get("path", "*"),
        accepts=where.get("accepts"),
        collection=where.get("collection", False),
        period=tables.period(item, file, place),
        expect=item.get("expect", {}),
        set=item.get("set", {}),
        add=item.get("add", {}),
        drop=tuple(item.get("drop", ())),
    )
