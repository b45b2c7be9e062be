"""What changed in the endpoint functions: names, arguments, filters, limits, and all else that the operation table says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import fields, has

from codegen.diffing.changes import Change, Rating, came_and_went, listed, plain
from codegen.diffing.facts import compare_facts
from codegen.diffing.interface import Function, Interface, filters_class
from codegen.diffing.types import Sides
from codegen.specs.extensions import EXTENSIONS
from klaviyo_async.operation import Bulk, Caps, FilterField, Limits, Operation, Pagination, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Found: TypeAlias = Iterator[tuple[str, Rating, str]]
    """What is found in one function: kind, rating and text."""

_OK, _POSSIBLY, _BREAKING = Rating.COMPATIBLE, Rating.POSSIBLY, Rating.BREAKING


# --- which function is which


def pair(old: Interface, new: Interface) -> dict[str, str]:
    """Function of the first → the one that it is in the second: the same name, the same route, or the owner of the name."""
    routes = {_route(each.operation): name for name, each in new.functions.items()}
    found = {}
    for name, each in old.functions.items():
        successor = name if name in new.functions else routes.get(_route(each.operation), new.aliases.get(name))
        if successor is not None:
            found[name] = successor
    return found


def _route(operation: Operation) -> tuple[str, str]:
    return operation.method, re.sub(r"\{[^}]*\}", "{}", operation.path.rstrip("/"))


def compare(old: Interface, new: Interface, pairs: Mapping[str, str]) -> Iterator[Change]:
    """The changes of all functions, `pairs` from `pair`."""
    for name, function in old.functions.items():
        yield from _names(name, function, old, new, pairs)
        if name in pairs:
            successor = new.functions[pairs[name]]
            for kind, rating, text in _differences(function, successor):
                yield Change(
                    kind,
                    rating,
                    pairs[name],
                    text,
                    (pairs[name],),
                    names=tuple(_gone(kind, name, text, function)),
                    shrinks=kind in _MAY_SHRINK and rating is not _OK,
                )
    for name, function in new.functions.items():
        if name not in pairs.values():
            yield Change("function-added", _OK, name, _line(function.operation), (name,))
    yield from _aliases(old, new, pairs)
    yield from _bulk_methods(old, new)


def _bulk_methods(old: Interface, new: Interface) -> Iterator[Change]:
    """The methods of `klaviyo.bulk`."""
    for method, arguments in old.bulk.items():
        name = f"bulk.{method}"
        if method not in new.bulk:
            yield Change("function-removed", _BREAKING, name, "removed", names=(name,))
            continue
        came, went = came_and_went(arguments, new.bulk[method])
        if went:
            gone = tuple(f"{name}({each})" for each in went)
            yield Change("argument-removed", _BREAKING, name, f"no longer takes {listed(went)}", names=gone)
        if came:
            yield Change("argument-added", _OK, name, f"also takes {listed(came)}")
    for method in new.bulk:
        if method not in old.bulk:
            yield Change("function-added", _OK, f"bulk.{method}", "takes any number of rows")


def _names(name: str, function: Function, old: Interface, new: Interface, pairs: Mapping[str, str]) -> Iterator[Change]:
    """What became of a function's own name."""
    tag = function.operation.tag
    own = [f"api.{tag}.{name}", f"operations[{name}]"]
    if function.operation.filters:
        own.append(f"filters.{filters_class(name)}")
    last = [f"api.{tag}"] if tag not in {each.operation.tag for each in new.functions.values()} else []
    if name not in pairs:
        told = f"removed (`{function.operation.method} {function.operation.path}`)"
        yield Change("function-removed", _BREAKING, name, told, (name,), names=(*own, *last))
        return
    successor = pairs[name]
    moved = function.operation.tag != new.functions[successor].operation.tag
    if moved:
        there = new.functions[successor].operation.tag
        told = f"moved from `klaviyo.{tag}` to `klaviyo.{there}`"
        gone = [f"api.{tag}.{each}" for each in (name, *_shown_aliases(name, old))]
        yield Change("function-moved", _BREAKING, successor, told, (successor,), names=(*gone, *last))
    if successor == name:
        return
    filters = [each for each in own if each.startswith("filters.")]
    if new.aliases.get(name) != successor:
        told = f"is now `{successor}`"
        yield Change("function-renamed", _BREAKING, name, told, (successor,), names=tuple(own))
    elif _route(function.operation) == _route(new.functions[successor].operation):
        told = f"is now `{successor}`; the old name still works"
        rating = _BREAKING if filters else _OK
        if filters:
            told += f", but the class of its filters is `{filters_class(successor)}`"
        yield Change("function-renamed", rating, name, told, (successor,), names=tuple(own[1:]))
    else:
        operation = new.functions[successor].operation
        told = f"is now another name of `{successor}`, which calls `{operation.method} {operation.path}`"
        rating = _BREAKING if filters else _POSSIBLY
        yield Change("function-renamed", rating, name, told, (successor,), names=tuple(own[1:]))


def _shown_aliases(name: str, interface: Interface) -> list[str]:
    return [alias for alias, owner in interface.aliases.items() if owner == name]


def _aliases(old: Interface, new: Interface, pairs: Mapping[str, str]) -> Iterator[Change]:
    for alias, owner in old.aliases.items():
        tag = old.functions[owner].operation.tag
        if alias in new.functions:
            if pairs.get(owner) != alias:
                operation = new.functions[alias].operation
                told = f"was another name of `{owner}` and is now a separate function: `{operation.method} {operation.path}`"
                yield Change("alias-taken", _BREAKING, alias, told, (alias,))
        elif alias not in new.aliases:
            if owner in pairs:  # otherwise it has gone with its function
                told = f"removed; it was another name of `{owner}`"
                if pairs[owner] != owner:
                    told += f", which is `{pairs[owner]}` now"
                yield Change("alias-removed", _BREAKING, alias, told, (pairs[owner],), names=(f"api.{tag}.{alias}",))
            else:
                told = f"removed with `{owner}`, whose other name it was"
                yield Change("alias-removed", _BREAKING, alias, told, (), names=(f"api.{tag}.{alias}",))
        elif pairs.get(owner) != new.aliases[alias]:
            told = f"is another name of `{new.aliases[alias]}` now, and was of `{owner}`"
            names = () if new.functions[new.aliases[alias]].operation.tag == tag else (f"api.{tag}.{alias}",)
            rating = _BREAKING if names or owner in new.functions else _POSSIBLY
            yield Change("alias-moved", rating, alias, told, (new.aliases[alias],), names=names)
    for alias, owner in new.aliases.items():
        if alias not in old.aliases and alias not in old.functions:
            yield Change("alias-added", _OK, alias, f"is another name of `{owner}`", (owner,))
    for name, each in new.functions.items():
        hidden = [alias for alias in each.operation.aliases if alias in new.functions and alias != name]
        before = old.functions[name].operation.aliases if name in old.functions else ()
        for alias in hidden:
            if alias not in before:
                told = f"has the name `{alias}` as well, which remains a separate function"
                yield Change("alias-hidden", _OK, name, told, (name,))


def _gone(kind: str, name: str, text: str, function: Function) -> Iterator[str]:
    """The names that are gone with a change of arguments or filters."""
    if kind in {"argument-removed", "filter-removed"}:
        wanted = re.findall(r"`([^`]+)`", text)[0]
        if kind == "filter-removed":
            yield (
                f"filters.{filters_class(name)}"
                if text.startswith("no longer")
                else (f"filters.{filters_class(name)}.{wanted}")
            )
            return
        yield f"api.{function.operation.tag}.{name}({wanted})"


def _line(operation: Operation) -> str:
    scopes = ", ".join(operation.scopes) or "no scopes"
    repeat = "" if operation.safe_to_repeat else "; not safe to repeat"
    return f"`{operation.method} {operation.path}` ({operation.tag}; {scopes}; {', '.join(operation.limits.rates)}{repeat})"


# --- what the operation table says: one entry for each of its fields


def _differences(old: Function, new: Function) -> _Found:
    for each in fields(Operation):
        compare_field = ASPECTS.get(each.name, _other(each.name))
        if compare_field is not None:
            yield from compare_field(old.operation, new.operation)
    yield from _arguments(old, new)
    yield from _parameters(old, new)
    yield from _bodies(old, new)
    yield from _extensions(old.extensions, new.extensions)


def _other(name: str) -> Callable[[Operation, Operation], _Found]:
    """A field of the table that has no entry here yet: told all the same."""

    def differences(old: Operation, new: Operation) -> _Found:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield "fact", _OK, f"`{name}`: {plain(before)} → {plain(after)}"

    return differences


def _path(old: Operation, new: Operation) -> _Found:
    before, after = f"{old.method} {old.path}", f"{new.method} {new.path}"
    if before != after:
        slash = " (only the final slash)" if before.rstrip("/") == after.rstrip("/") else ""
        yield "path", _OK, f"calls `{after}`, was `{before}`{slash}"


def _summary(old: Operation, new: Operation) -> _Found:
    if old.summary != new.summary:
        yield "summary", _OK, f"summary: {old.summary} → {new.summary}"


def _scopes(old: Operation, new: Operation) -> _Found:
    came, went = came_and_went(old.scopes, new.scopes)
    if came:
        also = f", no longer {listed(went)}" if went else ""
        yield "scopes", _POSSIBLY, f"needs the scope {listed(came)}{also}"
    elif went:
        yield "scopes", _OK, f"no longer needs the scope {listed(went)}"


def _limits(old: Operation, new: Operation) -> _Found:
    for key in ("burst", "steady", "daily"):
        first, second = getattr(old.limits, key), getattr(new.limits, key)
        if first != second:
            yield "limits", _rated(first, second), f"{key} limit: {plain(first)} → {plain(second)}"
    before, after = _by_parameter(old.limits), _by_parameter(new.limits)
    for trigger in dict.fromkeys([*before, *after]):
        rates = before.get(trigger, ()), after.get(trigger, ())
        if rates[0] != rates[1]:
            pairs = list(zip(rates[0], rates[1], strict=False))
            shrinks = not rates[0] or any(_rated(*each) is not _OK for each in pairs) or len(rates[1]) > len(rates[0])
            told = " → ".join(", ".join(each) or "none" for each in rates)
            yield "limits", _POSSIBLY if shrinks and rates[1] else _OK, f"limit with `{trigger}`: {told}"


def _rated(old: Rate | None, new: Rate | None) -> Rating:
    if new is None:
        return _OK
    return _POSSIBLY if old is None or new.count * old.seconds < old.count * new.seconds else _OK


def _by_parameter(limits: Limits) -> dict[str, tuple[Rate, ...]]:
    return {f"{each.parameter}={each.value}": each.rates for each in limits.by_parameter}


def _filters(old: Operation, new: Operation) -> _Found:
    if old.filters and not new.filters:
        yield "filter-removed", _BREAKING, f"no longer filters; {listed(old.filters)} did"
        return
    for name in dict.fromkeys([*old.filters, *new.filters]):
        if name not in new.filters:
            yield "filter-removed", _BREAKING, f"filter field `{name}` removed"
        elif name not in old.filters:
            yield "filter-added", _OK, f"filter field `{name}` added: {', '.join(new.filters[name].operators)}"
        else:
            yield from _filter(name, old.filters[name], new.filters[name])


def _filter(name: str, old: FilterField, new: FilterField) -> _Found:
    came, went = came_and_went(_operators(old), _operators(new))
    if came or went:
        parts = [f"now also {listed(came)}"] if came else []
        parts += [f"no longer {listed(went)}"] if went else []
        yield "filter", _BREAKING if went else _OK, f"filter field `{name}`: {', '.join(parts)}"
    kinds = [" ".join(filter(None, (each.type, each.format))) for each in (old, new)]
    if kinds[0] != kinds[1]:
        # Where no operator took a value there was none to give.
        rating = _BREAKING if kinds[0] else _OK
        yield "filter", rating, f"filter field `{name}`: takes {plain(kinds[1])}, was {plain(kinds[0])}"
    came, went = came_and_went(old.enum, new.enum)
    if came or went:
        # A list that comes is hardly news to the server, but a value that isn't in it is refused before it is sent.
        rating = _OK if not new.enum or not went else _BREAKING
        if not old.enum:
            rating = _POSSIBLY
        told = " → ".join(listed(each.enum) or "any value" for each in (old, new))
        yield "filter", rating, f"filter field `{name}`: values {told}"


def _operators(field: FilterField) -> list[str]:
    """The operators, those that take one value or a list apart."""
    one = [*field.single, *(each for each in field.list if each == "equals" and each not in field.single)]
    return [*one, *(each if each != "equals" else "equals (list)" for each in field.list), *field.none]


def _filter_requires(old: Operation, new: Operation) -> _Found:
    if old.filter_requires != new.filter_requires:
        narrower = bool(new.filter_requires) and (
            not old.filter_requires or not set(old.filter_requires) <= set(new.filter_requires)
        )
        wanted = listed(new.filter_requires) or "nothing"
        yield "filter", _BREAKING if narrower else _OK, f"a filter must name one of {wanted}"


def _choices(attribute: str, what: str) -> Callable[[Operation, Operation], _Found]:
    """Values that an argument takes."""

    def differences(old: Operation, new: Operation) -> _Found:
        came, went = came_and_went(getattr(old, attribute), getattr(new, attribute))
        if not getattr(new, attribute) or not getattr(old, attribute):
            return  # told as an argument that came or went
        if went:
            also = f", now {listed(came)}" if came else ""
            yield what, _BREAKING, f"`{what}` no longer takes {listed(went)}{also}"
        elif came:
            yield what, _OK, f"`{what}` also takes {listed(came)}"

    return differences


def _fieldsets(attribute: str) -> Callable[[Operation, Operation], _Found]:
    def differences(old: Operation, new: Operation) -> _Found:
        before, after = getattr(old, attribute), getattr(new, attribute)
        # Where there were none before, or are none after, the argument is told.
        for kind in dict.fromkeys([*before, *after]) if before and after else ():
            if kind not in after:
                yield attribute, _BREAKING, f"`{attribute}` no longer takes the type `{kind}`"
            elif kind not in before:
                yield attribute, _OK, f"`{attribute}` also takes the type `{kind}`"
            else:
                came, went = came_and_went(before[kind], after[kind])
                if went:
                    also = f", now {listed(came)}" if came else ""
                    yield attribute, _BREAKING, f"`{attribute}` of `{kind}`: no longer {listed(went)}{also}"
                elif came:
                    yield attribute, _OK, f"`{attribute}` of `{kind}`: now also {listed(came)}"

    return differences


def _page_size(old: Operation, new: Operation) -> _Found:
    before, after = old.page_size, new.page_size
    if before is None or after is None:
        if after is not None and after.default is not None:
            yield "page-default", _OK, f"page size: {after.default} by default, at most {plain(after.maximum)}"
        return
    if before.maximum != after.maximum:
        smaller = after.maximum is not None and (before.maximum is None or after.maximum < before.maximum)
        told = f"maximum page size: {plain(before.maximum)} → {plain(after.maximum)}"
        yield "page-size", _BREAKING if smaller else _OK, told
    if before.minimum != after.minimum:
        told = f"minimum page size: {before.minimum} → {after.minimum}"
        yield "page-size", _BREAKING if after.minimum > before.minimum else _OK, told
    if before.default != after.default:
        told = f"default page size: {plain(before.default)} → {plain(after.default)}"
        yield "page-default", _OK, told


def _pagination(old: Operation, new: Operation) -> _Found:
    if old.pagination == new.pagination:
        return
    if old.pagination is None:
        yield "pagination", _OK, "is a list now: `async for` iterates over its records"
    elif new.pagination is None:
        yield "pagination", _BREAKING, "is no longer a list: there is nothing to iterate over"
    else:
        yield from _pages(old.pagination, new.pagination)


def _pages(old: Pagination, new: Pagination) -> _Found:
    if old.style != new.style:
        yield "pagination", _OK, f"paginated by {new.style}, was {old.style}"
    if old.records != new.records:
        told = f"records are at `{'.'.join(new.records)}`, were at `{'.'.join(old.records)}`"
        yield "pagination", _BREAKING, told


def _response(old: Operation, new: Operation) -> _Found:
    if (old.response is None) != (new.response is None):
        if new.response is None:
            yield "result", _BREAKING, f"returns None, was `{old.response}`"
        else:
            yield "result", _OK, f"returns `{new.response}`, was None"


def _caps(old: Operation, new: Operation) -> _Found:
    for each in fields(Caps):
        first, second = getattr(old.caps, each.name), getattr(new.caps, each.name)
        if first != second:
            smaller = second is not None and (first is None or second < first)
            yield "caps", _BREAKING if smaller else _OK, f"cap on {each.name}: {plain(first)} → {plain(second)}"


def _bulk(old: Operation, new: Operation) -> _Found:
    if old.bulk is None or new.bulk is None:
        return  # told as a method that came or went
    for each in fields(Bulk):
        first, second = getattr(old.bulk, each.name), getattr(new.bulk, each.name)
        if first != second:
            yield "bulk", _OK, f"in bulk, `{each.name}`: {_simple(first)} → {_simple(second)}"


def _simple(value: Any) -> str:
    return str(value) if has(type(value)) else plain(value)


def _safe(old: Operation, new: Operation) -> _Found:
    if old.safe_to_repeat != new.safe_to_repeat:
        told = "safe to repeat: failures are retried" if new.safe_to_repeat else "no longer safe to repeat: not retried"
        yield "safe-to-repeat", _OK if new.safe_to_repeat else _POSSIBLY, told


def _safe_with(old: Operation, new: Operation) -> _Found:
    if old.safe_with != new.safe_with:
        told = f"safe to repeat with `{new.safe_with}`, was {plain(old.safe_with)}"
        if new.safe_with is None:
            told = f"no longer safe to repeat with `{old.safe_with}`"
        yield "safe-to-repeat", _OK if old.safe_with is None else _POSSIBLY, told


def _public(old: Operation, new: Operation) -> _Found:
    if old.public != new.public:
        told = "client-side now: it sends `company_id` and no key" if new.public else "sends the private key now"
        yield "authentication", _POSSIBLY, told


def _deprecated(old: Operation, new: Operation) -> _Found:
    if old.deprecated != new.deprecated:
        yield "deprecated", _OK, "deprecated by Klaviyo" if new.deprecated else "no longer deprecated"


ASPECTS: dict[str, Callable[[Operation, Operation], _Found] | None] = {
    "name": None,
    "method": _path,
    "path": None,
    "tag": None,
    "summary": _summary,
    "scopes": _scopes,
    "limits": _limits,
    "path_parameters": None,
    "parameters": None,
    "filters": _filters,
    "filter_requires": _filter_requires,
    "sort": _choices("sort", "sort"),
    "include": _choices("include", "include"),
    "fields": _fieldsets("fields"),
    "additional_fields": _fieldsets("additional_fields"),
    "page_size": _page_size,
    "pagination": _pagination,
    "body": None,
    "response": _response,
    "models": None,
    "package": None,
    "caps": _caps,
    "bulk": _bulk,
    "aliases": None,
    "safe_to_repeat": _safe,
    "safe_with": _safe_with,
    "public": _public,
    "deprecated": _deprecated,
    "reference": None,
    "revision": None,
    "_plan": None,
}
"""Field of the operation table → what tells its differences; None where that is told elsewhere, or is no one's business."""

_MAY_SHRINK = frozenset({"limits", "caps", "page-size"})


# --- arguments


def _arguments(old: Function, new: Function) -> _Found:
    before, after = old.operation.path_parameters, new.operation.path_parameters
    for index, name in enumerate(before):
        if name not in after:
            instead = f"; `{after[index]}` is in its place" if index < len(after) else ""
            yield "argument-removed", _BREAKING, f"argument `{name}` removed{instead}"
    for index, name in enumerate(after):
        if name not in before and index >= len(before):
            yield "argument-added", _BREAKING, f"required argument `{name}` added"
    if set(before) == set(after) and before != after:
        yield "argument-order", _BREAKING, f"arguments in another order: {listed(after)}"
    bodies = [_takes_body(each) for each in (old, new)]
    if bodies[0] and not bodies[1]:
        yield "argument-removed", _BREAKING, "argument `body` removed"
    elif bodies[1] and not bodies[0]:
        needed = new.operation.body is not None and new.operation.body.required
        yield "argument-added", _BREAKING if needed else _OK, f"{'required ' if needed else ''}argument `body` added"
    elif old.operation.body is not None and new.operation.body is not None:
        yield from _body(old, new)
    yield from _keywords(old, new)


def _takes_body(function: Function) -> bool:
    return function.operation.body is not None and function.operation.body.kind != "multipart"


def _body(old: Function, new: Function) -> _Found:
    first, second = old.operation.body, new.operation.body
    assert first is not None  # noqa: S101 - for the type checker
    assert second is not None  # noqa: S101
    if first.kind != second.kind:
        yield "body", _BREAKING, f"the body is {_BODIES[second.kind]}, was {_BODIES[first.kind]}"
    elif first.many != second.many:
        yield (
            "body",
            _BREAKING,
            f"takes {'a list of ids' if second.many else 'one id'}, was {'a list' if first.many else 'one'}",
        )
    if first.required != second.required:
        told = "the body is required" if second.required else "the body is no longer required"
        yield "body", _BREAKING if second.required else _OK, told
    if first.resource is not None and second.resource is not None and first.resource.type != second.resource.type:
        told = f"writes the type `{second.resource.type}`, was `{first.resource.type}`"
        yield "body", _POSSIBLY, told
    if first.id_from_path != second.id_from_path:
        told = f"the body's id comes from {plain(second.id_from_path)}, was {plain(first.id_from_path)}"
        yield "body", _POSSIBLY, told


_BODIES = {
    "resource": "one resource, also by keywords",
    "identifiers": "ids",
    "multipart": "a form",
    "json": "JSON, without keywords",
}


def _keywords(old: Function, new: Function) -> _Found:
    before, after = ({each.name: (each, kind) for each, kind in side.keywords} for side in (old, new))
    wires = {each.wire: name for name, (each, _) in after.items()}
    for name, (each, _) in before.items():
        if name not in after:
            instead = wires.get(each.wire)
            told = f"; it is `{instead}` now" if instead is not None else ""
            yield "argument-removed", _BREAKING, f"argument `{name}` removed{told}"
    renamed = {each.wire for each, _ in before.values()}
    for name, (each, _) in after.items():
        if name in before:
            first = before[name][0]
            if each.required != first.required:
                told = f"argument `{name}` is {'' if each.required else 'no longer '}required"
                yield "argument-required", _BREAKING if each.required else _OK, told
            if each.kind != first.kind or each.many != first.many or each.filter != first.filter:
                narrower = (first.many or first.kind == "relationships") and not (
                    each.many or each.kind == "relationships"
                )
                told = f"argument `{name}` takes {_takes(each)}, was {_takes(first)}"
                yield "argument", _BREAKING if narrower else _POSSIBLY, told
        elif each.wire not in renamed:
            told = f"{'required ' if each.required else ''}argument `{name}` added"
            yield "argument-added", _BREAKING if each.required else _OK, told


def _takes(keyword: Any) -> str:
    words = {
        "attribute": "a value",
        "nested": "a list of mappings" if keyword.many else "a mapping",
        "relationship": "an id",
        "relationships": "a list of ids",
        "id": "the resource's id",
        "meta": "the resource's meta",
        "file": "a file",
        "form": "a form's field",
    }
    return f"{'filters' if keyword.many else 'a filter'}" if keyword.filter else words[keyword.kind]


def _parameters(old: Function, new: Function) -> _Found:
    before, after = ({each.name: each for each in side.operation.parameters} for side in (old, new))
    for name, each in before.items():
        if name not in after:
            yield "argument-removed", _BREAKING, f"argument `{name}` removed"
            continue
        now = after[name]
        if each.required != now.required:
            told = f"argument `{name}` is {'' if now.required else 'no longer '}required"
            yield "argument-required", _BREAKING if now.required else _OK, told
        if each.kind != now.kind:
            yield "argument", _BREAKING, f"argument `{name}` takes {now.kind}, was {each.kind}"
        if each.place != now.place or each.wire != now.wire:
            told = f"argument `{name}` goes into {now.place} `{now.wire}`, was {each.place} `{each.wire}`"
            yield "argument", _OK, told
        if each.enum != now.enum:
            came, went = came_and_went(each.enum, now.enum)
            narrower = bool(now.enum) and (bool(went) or not each.enum)
            told = " → ".join(listed(one.enum) or "any value" for one in (each, now))
            if came or went:
                yield "argument-values", _BREAKING if narrower else _OK, f"argument `{name}` takes {told}"
    for name, each in after.items():
        if name not in before:
            values = each.enum or getattr(new.operation, name, ()) if each.kind in {"sort", "include"} else each.enum
            told = f"{'required ' if each.required else ''}argument `{name}` added"
            told += f": {listed(values)}" if values else ""
            yield "argument-added", _BREAKING if each.required else _OK, told
    yield from _schemas_of_parameters(old, new)


_IN_THE_TABLE = frozenset({"in", "required", "enum", "items.enum", "const", "items.const"})


def _schemas_of_parameters(old: Function, new: Function) -> _Found:
    """What the documents say of parameters and the table doesn't: styles, formats, bounds."""
    for wire in old.parameters.keys() & new.parameters.keys():
        first, second = old.parameters[wire], new.parameters[wire]
        left_out = _IN_THE_TABLE | ({"minimum", "maximum", "default"} if wire == "page[size]" else frozenset())
        sides = [
            {key: [value] for key, value in each.items() if key not in left_out and not key.endswith("type")}
            for each in (first, second)
        ]
        for _, rating, text in compare_facts(sides[0], sides[1], Sides(sent=True, received=False)):
            yield "parameter", rating, f"parameter `{wire}`: {text}"


def _bodies(old: Function, new: Function) -> _Found:
    if old.media != new.media and old.media and new.media:
        yield "media", _OK, f"the body is sent as {new.media}, was {old.media}"
    if old.successes != new.successes:
        told = " → ".join(", ".join(f"{key} {kind}" for key, kind in each.successes.items()) for each in (old, new))
        yield "success", _OK, f"success: {told}"


def _extensions(old: Mapping[str, Any], new: Mapping[str, Any]) -> _Found:
    for key in dict.fromkeys([*old, *new]):
        about = f" ({EXTENSIONS[key].about})" if key in EXTENSIONS else ""
        if key not in old:
            yield "extension", _OK, f"extension `{key}`{about} added: {plain(new[key])}"
        elif key not in new:
            yield "extension", _OK, f"extension `{key}`{about} removed"
        elif old[key] != new[key]:
            yield "extension", _OK, f"extension `{key}`{about}: {plain(old[key])} → {plain(new[key])}"
