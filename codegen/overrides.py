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

Overrides apply in the order of the file, so an exception comes after its rule. A named operation that a revision doesn't
have is no error there, but `check` fails for a name that none of the known revisions has.
"""

from __future__ import annotations

import fnmatch
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from codegen import documents, extensions
from codegen.errors import CodegenError
from codegen.shape import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_KEYS = {"why", "operations", "where", "since", "until", "expect", "set", "add", "drop"}
_WHERE_KEYS = {"methods", "path", "accepts", "collection"}


def overrides_file(specs: Path) -> Path:
    """The overrides that go with a folder of specs: its own, or the project's where it has none."""
    own = specs / "overrides.toml"
    return own if own.exists() else Path(__file__).resolve().parents[1] / "specs" / "overrides.toml"


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
    since: str
    until: str
    expect: dict[str, Any]
    set: dict[str, Any]
    add: dict[str, list[Any]]
    drop: tuple[str, ...]

    def about(self, revision: str) -> bool:
        """Whether the override is about that revision."""
        return self.since <= revision and (not self.until or revision <= self.until)

    def matches(self, document: dict[str, Any], method: str, path: str) -> bool:
        """Whether it is about that operation of `document`."""
        operation = document["paths"][path][method]
        name = operation["operationId"]
        if self.operations is not None and name not in self.operations:
            return False
        if self.methods and method.upper() not in self.methods:
            return False
        if self.collection and not is_collection(document, operation):
            return False
        return fnmatch.fnmatchcase(path, self.path) and (self.accepts is None or accepts(operation, self.accepts))


@define
class Overrides:
    """The overrides of a folder of specs."""

    file: Path
    items: tuple[Override, ...] = ()

    @classmethod
    def load(cls, file: Path) -> Overrides:
        """The overrides in `file`; none where there is no such file. Raises CodegenError."""
        if not file.exists():
            return cls(file)
        try:
            data = tomllib.loads(documents.read_text(file))
        except tomllib.TOMLDecodeError as error:
            raise CodegenError(f"not TOML: {error}", file=file) from None
        if unknown := data.keys() - {"override", "ignore", "union"}:
            raise CodegenError(f"unknown tables: {', '.join(sorted(unknown))}", file=file)
        return cls(
            file, tuple(_override(item, file, f"/override/{i}") for i, item in enumerate(data.get("override", ())))
        )

    def apply(self, document: dict[str, Any], revision: str, problems: list[str] | None = None) -> None:
        """Put the facts on the operations of `document`.

        Raises CodegenError where an expectation doesn't hold; with `problems`, such overrides are left out and listed there.
        """
        for override in self.items:
            if override.about(revision):
                for name, method, path, operation in list(_operations(document)):
                    if override.matches(document, method, path):
                        self._or_note(partial(self._put, override, name, operation), problems)
        for name, _, _, operation in _operations(document):
            self._or_note(partial(self._check_facts, name, operation), problems)

    @staticmethod
    def _or_note(step: Callable[[], None], problems: list[str] | None) -> None:
        try:
            step()
        except CodegenError as error:
            if problems is None:
                raise
            problems.append(str(error))

    def check(self, documents_by_revision: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Fail for names and rules that hit nothing in any of the revisions that they are about."""
        known = list(documents_by_revision)
        for override in self.items:
            about = [document for revision, document in known if override.about(revision)]
            if not about:
                continue
            hits = {
                name
                for document in about
                for name, method, path, _ in _operations(document)
                if override.matches(document, method, path)
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
                    f"{name} is expected to have {key} = {wanted!r}, has {found!r}: upstream changed, look again ({override.why})",
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
        for limit in operation.get("x-parameter-limits", ()):
            trigger = f"{limit.get('parameter')}={limit.get('value')}"
            if not accepts(operation, trigger) or not limit.get("resource"):
                raise CodegenError(
                    f"{name} has a limit for {trigger}, which is none of its parameters, or whose resource isn't known:"
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
    for status, response in operation.get("responses", {}).items():
        if status.startswith("2"):
            for media in response.get("content", {}).values():
                body = _resolved(document, media.get("schema", {}))
                data = _resolved(document, body.get("properties", {}).get("data", {}))
                return data.get("type") == "array"
    return False


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield item[method]["operationId"], method, path, item[method]


def _override(item: Any, file: Path, place: str) -> Override:
    def refuse(problem: str) -> CodegenError:
        return CodegenError(problem, file=file, place=place)

    if not isinstance(item, dict) or not isinstance(item.get("why"), str) or not item["why"].strip():
        raise refuse("an [[override]] needs a why")
    if unknown := item.keys() - _KEYS:
        raise refuse(f"unknown keys: {', '.join(sorted(unknown))}")
    where = item.get("where", {})
    if not isinstance(where, dict) or where.keys() - _WHERE_KEYS:
        raise refuse(f"where takes {', '.join(sorted(_WHERE_KEYS))}")
    if "operations" not in item and not where:
        raise refuse("say which operations: by `operations` or by `where`")
    if not item.keys() & {"set", "add", "drop"}:
        raise refuse("it does nothing: give set, add or drop")
    kinds = {"operations": list, "expect": dict, "set": dict, "add": dict, "drop": list, "since": str, "until": str}
    for key, kind in kinds.items():
        if key in item and not isinstance(item[key], kind):
            raise refuse(f"{key} must be a {kind.__name__}")
    if any(not isinstance(value, list) for value in item.get("add", {}).values()):
        raise refuse("add takes lists")
    return Override(
        place=place,
        why=item["why"],
        operations=tuple(item["operations"]) if "operations" in item else None,
        methods=frozenset(where.get("methods", ())),
        path=where.get("path", "*"),
        accepts=where.get("accepts"),
        collection=where.get("collection", False),
        since=item.get("since", ""),
        until=item.get("until", ""),
        expect=item.get("expect", {}),
        set=item.get("set", {}),
        add=item.get("add", {}),
        drop=tuple(item.get("drop", ())),
    )
