"""`python -m codegen diff R1 R2`: what changed between two revisions, and what of it breaks our users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen import diff_schemas
from codegen.assemble import Spec, known_revisions, load_folder
from codegen.diff_schemas import Change, values
from codegen.errors import CodegenError
from codegen.overrides import Overrides, overrides_file
from codegen.shape import references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z0-9]+)?")
_FACTS = (
    "x-pagination",
    "x-page-rows",
    "x-page-size",
    "x-retention-days",
    "x-safe-to-repeat",
    "x-safe-with",
    "x-klaviyo-subtag",
)

_MANY = 5


@define
class Diff:
    """The differences between two revisions. False where there are none."""

    old: str
    new: str
    counts: dict[str, tuple[int, int]] = Factory(dict)
    added: dict[str, str] = Factory(dict)
    """Operations that came, each with a line about it."""
    removed: dict[str, Change] = Factory(dict)
    renamed: dict[str, Change] = Factory(dict)
    """Operations whose name, method or path changed, by their old name."""
    changed: dict[str, list[Change]] = Factory(dict)
    schemas_added: list[str] = Factory(list)
    schemas_removed: list[str] = Factory(list)
    schemas_changed: dict[str, list[Change]] = Factory(dict)
    users: dict[str, list[str]] = Factory(dict)
    """Schema → operations that it belongs to, in either revision."""
    problems: list[str] = Factory(list)
    """Overrides that don't fit one of the revisions."""

    def __bool__(self) -> bool:
        return bool(
            self.added or self.removed or self.renamed or self.changed
            or self.schemas_added or self.schemas_removed or self.schemas_changed
        )  # fmt: skip

    def breaking(self) -> Iterator[tuple[str, Change]]:
        """What breaks our users, with the operation or schema it is about."""
        groups = [
            *((name, [change]) for name, change in self.removed.items()),
            *((name, [change]) for name, change in self.renamed.items()),
            *self.changed.items(),
            *((name, [Change("class", "class removed", breaking=True)]) for name in self.schemas_removed),
            *self.schemas_changed.items(),
        ]
        for name, changes in groups:
            for change in changes:
                if change.breaking:
                    yield name, change

    def as_json(self) -> str:
        """The differences for machines."""

        def changes(items: Mapping[str, list[Change]]) -> dict[str, Any]:
            return {name: [change.as_dict() for change in each] for name, each in items.items()}

        data = {
            "old": self.old,
            "new": self.new,
            "counts": {name: {"old": old, "new": new} for name, (old, new) in self.counts.items()},
            "breaking": [{"name": name, **change.as_dict()} for name, change in self.breaking()],
            "operations": {
                "added": self.added,
                "removed": {name: change.as_dict() for name, change in self.removed.items()},
                "renamed": {name: change.as_dict() for name, change in self.renamed.items()},
                "changed": changes(self.changed),
            },
            "schemas": {
                "added": self.schemas_added,
                "removed": self.schemas_removed,
                "changed": changes(self.schemas_changed),
                "operations": {name: self.users.get(name, []) for name in self.schemas_changed},
            },
            "problems": self.problems,
        }
        return json.dumps(data, indent=1, ensure_ascii=False)

    def as_markdown(self) -> str:
        """The differences for people: a summary, what breaks, then operation by operation."""
        lines = [f"# {self.old} → {self.new}", ""]
        if not self:
            return "\n".join([*lines, "No difference.", *[f"- override: {problem}" for problem in self.problems]])
        breaking = list(self.breaking())
        lines += ["| | before | after | added | removed | changed |", "|---|---|---|---|---|---|"]
        rows = {
            "operations": (len(self.added), len(self.removed), len(self.changed.keys() | self.renamed.keys())),
            "schemas": (len(self.schemas_added), len(self.schemas_removed), len(self.schemas_changed)),
        }
        for name, numbers in rows.items():
            lines.append("| " + " | ".join(map(str, (name, *self.counts[name], *numbers))) + " |")
        lines += ["", f"{len(breaking)} changes break our users." if breaking else "Nothing breaks our users."]
        lines += _section("Overrides that don't fit", (f"- {problem}" for problem in self.problems))
        lines += _section("Breaking for our users", (f"- `{name}`: {change.text}" for name, change in breaking))
        lines += _section("Operations added", (f"- `{name}` {text}" for name, text in self.added.items()))
        lines += _section(
            "Operations removed", (f"- `{name}` {_told(change)}" for name, change in self.removed.items())
        )
        lines += _section(
            "Operations renamed or moved", (f"- `{name}` {_told(change)}" for name, change in self.renamed.items())
        )
        alike = self._alike()
        touched = self._schemas_by_operation({name for names in alike.values() for name in names})
        lines += ["", "## Operations changed"] if self.changed or touched else []
        for name in sorted(self.changed.keys() | touched.keys()):
            lines += ["", f"### {name}", "", *(f"- {_told(change)}" for change in self.changed.get(name, ()))]
            if name in touched:
                lines.append(f"- schemas: {', '.join(f'`{schema}`' for schema in touched[name])}")
        lines += _section("Schemas added", (f"- `{name}`" for name in self.schemas_added))
        lines += _section("Schemas removed", (f"- `{name}`" for name in self.schemas_removed))
        lines += ["", "## Schemas changed"] if self.schemas_changed else []
        for changes, names in alike.items():
            lines += ["", f"### The same in {len(names)} schemas", "", *(f"- {_told(change)}" for change in changes)]
            lines += ["", ", ".join(f"`{name}`" for name in names) + "."]
        grouped = {name for names in alike.values() for name in names}
        for name, schema_changes in self.schemas_changed.items():
            if name not in grouped:
                lines += ["", f"### {name}", "", f"Of {_listed(self.users.get(name, []))}.", ""]
                lines += [f"- {_told(change)}" for change in schema_changes]
        return "\n".join(lines)

    def _alike(self) -> dict[tuple[Change, ...], list[str]]:
        """Changes that many schemas have in common: told once, or nobody reads the rest."""
        groups: dict[tuple[Change, ...], list[str]] = {}
        for name, changes in self.schemas_changed.items():
            groups.setdefault(tuple(changes), []).append(name)
        return {changes: names for changes, names in groups.items() if len(names) >= _MANY}

    def _schemas_by_operation(self, without: set[str]) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for schema in sorted(self.schemas_changed.keys() - without):
            for operation in self.users.get(schema, ()):
                out.setdefault(operation, []).append(schema)
        return out


def compare(specs: Path, old: str, new: str) -> Diff:
    """The differences between two revisions of `specs`, or between folders of imported specs. Raises CodegenError."""
    overrides = Overrides.load(overrides_file(specs))
    problems: list[str] = []
    first, second = (_load(specs, name, overrides, problems) for name in (old, new))
    diff = Diff(_label(old), _label(new), problems=list(dict.fromkeys(problems)))
    _operations(first, second, diff)
    _schemas(first, second, diff)
    return diff


def _label(name: str) -> str:
    return Path(name).name or name


def _load(specs: Path, name: str, overrides: Overrides, problems: list[str]) -> Spec:
    folder = specs / name if _REVISION.fullmatch(name) else Path(name)
    if not folder.is_dir():
        known = ", ".join(known_revisions(specs)) or "none"
        raise CodegenError(f"neither a revision of the specs ({known}) nor a folder of imported specs", file=name)
    revision = folder.resolve().name
    return load_folder(folder, revision if _REVISION.fullmatch(revision) else "", overrides, problems)


def _section(title: str, items: Iterator[str]) -> list[str]:
    found = list(items)
    return ["", f"## {title}", "", *found] if found else []


def _told(change: Change) -> str:
    return f"**breaking** {change.text}" if change.breaking else change.text


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4]) or "no operation"
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


# --- operations


def _operations(first: Spec, second: Spec, diff: Diff) -> None:
    old, new = first.operations, second.operations
    diff.counts["operations"] = (len(old), len(new))
    gone, came = [name for name in old if name not in new], [name for name in new if name not in old]
    routes = {_route(new[name]): name for name in came}
    aliases = _aliases(new)
    for name in gone:
        successor = routes.get(_route(old[name]))
        if successor is not None:
            came.remove(successor)
            kept = name in aliases and successor in aliases[name]
            told = f"is now `{successor}`" + (", the old name still works" if kept else "")
            diff.renamed[name] = Change("name", told, breaking=not kept)
            _keep(diff, successor, list(_differences(old[name], new[successor])))
        elif name in aliases:
            told = f"removed; the name now stands for {_listed(aliases[name])}"
            diff.removed[name] = Change("operation", told, breaking=True)
        else:
            diff.removed[name] = Change(
                "operation", f"removed ({old[name]['method']} {old[name]['path']})", breaking=True
            )
    for name in came:
        diff.added[name] = _line(new[name])
    for name in old:
        if name not in new:
            continue
        route = [f"{item['method']} {item['path']}" for item in (old[name], new[name])]
        if route[0] != route[1]:
            names = [re.findall(r"\{([^}]*)\}", item["path"]) for item in (old[name], new[name])]
            diff.renamed[name] = Change("path", f"{route[0]} → {route[1]}", breaking=names[0] != names[1])
        _keep(diff, name, list(_differences(old[name], new[name])))
    _alias_changes(old, new, diff)


def _keep(diff: Diff, name: str, changes: list[Change]) -> None:
    if changes:
        diff.changed.setdefault(name, []).extend(changes)


def _route(operation: dict[str, Any]) -> tuple[str, str]:
    return operation["method"], re.sub(r"\{[^}]*\}", "{}", operation["path"])


def _line(operation: dict[str, Any]) -> str:
    limits = ", ".join(operation.get("x-klaviyo-ratelimit", {}).values()) or "no limits"
    repeat = "" if operation.get("x-safe-to-repeat") else "; not safe to repeat"
    scopes = ", ".join(operation.get("x-klaviyo-scopes", ())) or "no scopes"
    return f"{operation['method']} {operation['path']} ({', '.join(operation['tags'])}; {scopes}; {limits}{repeat})"


def _aliases(operations: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, operation in operations.items():
        for alias in operation.get("x-klaviyo-operation-aliases", ()):
            out.setdefault(alias, []).append(name)
    return out


def _alias_changes(old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]], diff: Diff) -> None:
    before, after = _aliases(old), _aliases(new)
    for alias in sorted(before.keys() | after.keys()):
        owners = after.get(alias, [])
        for name in before.get(alias, ()):
            if alias in new and alias not in old:
                told = f"alias `{alias}` is a function of its own now and calls {new[alias]['method']} {new[alias]['path']}"
                _keep(diff, name, [Change("alias", told, breaking=True)])
            elif name not in owners and name in new:
                moved = f", it stands for {_listed(owners)}" if owners else ""
                _keep(diff, name, [Change("alias", f"alias `{alias}` removed{moved}", breaking=alias not in new)])
        for name in owners:
            if name in old and name not in before.get(alias, ()):
                _keep(diff, name, [Change("alias", f"alias `{alias}` added")])
            if alias in new:
                told = f"alias `{alias}` is also the name of an operation, which wins"
                if alias in old or alias not in before:
                    _keep(diff, name, [Change("alias", told)])
        if len(owners) > 1 and len(before.get(alias, ())) < 2:
            _keep(
                diff,
                owners[0],
                [Change("alias", f"alias `{alias}` stands for {_listed(owners)}", breaking=alias in before)],
            )


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key, area in (("tags", "tag"), ("summary", "summary"), ("deprecated", "deprecated"), ("security", "security")):
        if old.get(key) != new.get(key):
            yield Change(area, f"{area}: {_plain(old.get(key))} → {_plain(new.get(key))}", breaking=key == "tags")
    scopes = old.get("x-klaviyo-scopes", []), new.get("x-klaviyo-scopes", [])
    if set(scopes[0]) != set(scopes[1]):
        yield Change("scopes", f"scopes: {values(*scopes)}")
    yield from _parameters(old, new)
    yield from _filters(old, new)
    yield from _limits(old, new)
    caps = old.get("x-caps", {}), new.get("x-caps", {})
    for key in sorted(caps[0].keys() | caps[1].keys()):
        first, second = caps[0].get(key), caps[1].get(key)
        if first != second:
            narrower = second is not None and (first is None or second < first)
            yield Change("caps", f"cap on {key}: {_plain(first)} → {_plain(second)}", breaking=narrower)
    wanted = old.get("x-filter-requires", []), new.get("x-filter-requires", [])
    if wanted[0] != wanted[1]:
        yield Change(
            "filter", f"filter must name one of: {_plain(wanted[0])} → {_plain(wanted[1])}", breaking=bool(wanted[1])
        )
    for key in _FACTS:
        if old.get(key) != new.get(key):
            yield Change("facts", f"{key}: {_plain(old.get(key))} → {_plain(new.get(key))}")
    yield from _bodies(old, new)


def _parameters(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = (
        {item["name"]: item for item in side.get("parameters", ()) if item["name"] != "revision"} for side in (old, new)
    )
    for name in sorted(before.keys() | after.keys()):
        area = name.partition("[")[0] if name.endswith("]") else name
        if name not in after:
            yield Change(area, f"parameter `{name}` removed", breaking=True)
        elif name not in before:
            needed = after[name].get("required") is True
            kind = diff_schemas.values((), _enum(after[name]))
            text = f"{'required ' if needed else ''}parameter `{name}` added{': ' + kind[2:] if kind else ''}"
            yield Change(area, text, breaking=needed)
        else:
            yield from _parameter(area, name, before[name], after[name])


def _parameter(area: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    if old.get("in") != new.get("in"):
        yield Change(area, f"parameter `{name}` moves from {old.get('in')} to {new.get('in')}", breaking=True)
    if (old.get("required") is True) != (new.get("required") is True):
        needed = new.get("required") is True
        yield Change(area, f"parameter `{name}` is {'now' if needed else 'no longer'} required", breaking=needed)
    if old.get("explode") != new.get("explode"):
        yield Change(area, f"parameter `{name}`: explode {_plain(old.get('explode'))} → {_plain(new.get('explode'))}")
    for change in diff_schemas.compare(old.get("schema", {}), new.get("schema", {}), request=True):
        text = change.text.replace("`itself`", f"`{name}`").replace("`[]`", f"`{name}`")
        yield Change(area, text, change.breaking)


def _enum(parameter: dict[str, Any]) -> list[Any]:
    schema = parameter.get("schema", {})
    found: list[Any] = schema.get("items", schema).get("enum", [])
    return found


def _filters(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for extension in ("x-klaviyo-filters", "x-header-filters"):
        before, after = old.get(extension, {}), new.get(extension, {})
        for name in sorted(before.keys() | after.keys()):
            first, second = _operators(before.get(name)), _operators(after.get(name))
            if name not in after:
                yield Change("filter", f"filter field `{name}` removed", breaking=True)
            elif name not in before:
                yield Change("filter", f"filter field `{name}` added: {', '.join(second)}")
            else:
                if set(first) != set(second):
                    yield Change(
                        "filter",
                        f"filter field `{name}`: {values(first, second)}",
                        breaking=bool(set(first) - set(second)),
                    )
                kinds = before[name].get("value"), after[name].get("value")
                if kinds[0] != kinds[1]:
                    yield Change(
                        "filter", f"filter field `{name}`: value {_plain(kinds[0])} → {_plain(kinds[1])}", breaking=True
                    )


def _operators(field: dict[str, Any] | None) -> list[str]:
    groups = (field or {}).get("operators", {})
    return [
        f"{operator}{'' if kind == 'single' else f' ({kind})'}" for kind in sorted(groups) for operator in groups[kind]
    ]


def _limits(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    rates = old.get("x-klaviyo-ratelimit", {}), new.get("x-klaviyo-ratelimit", {})
    for key in sorted(rates[0].keys() | rates[1].keys()):
        if rates[0].get(key) != rates[1].get(key):
            yield Change("limits", f"{key} limit: {_plain(rates[0].get(key))} → {_plain(rates[1].get(key))}")
    sides = [
        {
            f"{item['parameter']}={item['value']}": ", ".join(
                item[key] for key in ("burst", "steady", "daily") if key in item
            )
            for item in side.get("x-parameter-limits", ())
        }
        for side in (old, new)
    ]
    for trigger in sorted(sides[0].keys() | sides[1].keys()):
        if sides[0].get(trigger) != sides[1].get(trigger):
            yield Change(
                "limits", f"limit with {trigger}: {_plain(sides[0].get(trigger))} → {_plain(sides[1].get(trigger))}"
            )


def _bodies(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    bodies = [_media(side.get("requestBody", {})) for side in (old, new)]
    if bodies[0] != bodies[1]:
        yield Change("body", f"body: {_plain(bodies[0])} → {_plain(bodies[1])}", breaking=True)
    needed = [side.get("requestBody", {}).get("required") is True for side in (old, new)]
    if needed[0] != needed[1] and bodies[0] and bodies[1]:
        yield Change("body", f"body is {'now' if needed[1] else 'no longer'} required", breaking=needed[1])
    answers = [
        {status: _media(answer) for status, answer in side.get("responses", {}).items() if status.startswith("2")}
        for side in (old, new)
    ]
    if answers[0] != answers[1]:
        lost = set(answers[0].values()) - set(answers[1].values())
        yield Change("response", f"success: {_statuses(answers[0])} → {_statuses(answers[1])}", breaking=bool(lost))


def _media(node: dict[str, Any]) -> str | None:
    told = [
        f"{kind} {_schema_name(media.get('schema', {}))}" for kind, media in sorted(node.get("content", {}).items())
    ]
    return ", ".join(told).replace("application/vnd.api+json ", "") or None


def _schema_name(schema: dict[str, Any]) -> str:
    return schema["$ref"].rpartition("/")[2] if "$ref" in schema else json.dumps(schema, sort_keys=True)


def _statuses(answers: Mapping[str, str | None]) -> str:
    return ", ".join(f"{status} {name or 'without body'}" for status, name in answers.items()) or "none"


def _plain(value: Any) -> str:
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- schemas


def _schemas(first: Spec, second: Spec, diff: Diff) -> None:
    old, new = (spec.document.get("components", {}).get("schemas", {}) for spec in (first, second))
    diff.counts["schemas"] = (len(old), len(new))
    diff.schemas_added = sorted(new.keys() - old.keys())
    diff.schemas_removed = sorted(old.keys() - new.keys())
    asked_before, answered_before = _usage(first)
    asked, answered = _usage(second)
    for name in sorted(old.keys() & new.keys()):
        if old[name] == new[name]:
            continue
        request = any(name in uses for uses in (asked_before, asked))
        changes = diff_schemas.compare(old[name], new[name], request=request)
        if changes:
            diff.schemas_changed[name] = changes
            everywhere = (asked_before, answered_before, asked, answered)
            users = {user for uses in everywhere for user in uses.get(name, ()) if user in second.operations}
            diff.users[name] = sorted(users)


def _usage(spec: Spec) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Schema → operations that ask with it, and that answer with it."""
    components = spec.document.get("components", {}).get("schemas", {})
    inside = {name: _targets(schema, "schema") for name, schema in components.items()}
    asked: dict[str, set[str]] = {}
    answered: dict[str, set[str]] = {}
    for name, operation in spec.operations.items():
        success = {
            status: answer for status, answer in operation.get("responses", {}).items() if status.startswith("2")
        }
        for uses, start in (
            (asked, {key: operation[key] for key in ("parameters", "requestBody") if key in operation}),
            (answered, {"responses": success}),
        ):
            todo, seen = list(_targets(start, "operation")), set[str]()
            while todo:
                schema = todo.pop()
                if schema not in seen and schema in inside:
                    seen.add(schema)
                    todo += inside[schema]
            for schema in seen:
                uses.setdefault(schema, set()).add(name)
    return asked, answered


def _targets(node: Any, kind: str) -> set[str]:
    return {
        target.rpartition("/")[2] for _, target in references(node, kind) if target.startswith("#/components/schemas/")
    }
