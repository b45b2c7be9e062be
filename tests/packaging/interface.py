"""The public interface written down, a line for each name, and what of it a change would break.

    python -m tests.packaging.interface    # writes interface.txt anew, at a release

Generated packages aren't in it: `python -m codegen diff` tells what a revision changes there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).with_name("interface.txt")
_GENERATED = {"api", "models", "resources", "filters", "operation_table"}
_OF_TESTING = {"server", "store", "clock", "faults", "recorder", "oauth"}
"""Modules of what users of FakeKlaviyo touch; the others are what it is made of."""


def lines() -> list[str]:
    """One line for each public class, function, method and attribute, sorted."""
    package = griffe.load("klaviyo_async", search_paths=[ROOT], allow_inspection=False)
    return sorted(set(_lines(package)))


def _lines(owner: griffe.Object | griffe.Alias) -> Iterator[str]:
    # What a class inherits is its own to users: moving it into a base breaks nobody.
    members = owner.all_members if owner.is_class else owner.members
    for name, found in members.items():
        member = found.final_target if owner.is_class and isinstance(found, griffe.Alias) else found
        if name.startswith("_") and name not in {"__init__", "__call__", "__aiter__", "__await__", "__aenter__"}:
            continue
        if member.is_alias or (owner.is_package and name in _GENERATED):
            continue
        if owner.path == "klaviyo_async.testing" and member.is_module and name not in _OF_TESTING:
            continue
        if isinstance(member, griffe.Function):
            yield f"{owner.path}.{name}({', '.join(_parameters(member))})"
        elif member.is_class:
            yield f"class {owner.path}.{name}"
            yield from _lines(member)
        elif member.is_module:
            yield from _lines(member)
        elif owner.is_class or name.isupper():
            yield f"{owner.path}.{name}"


def _parameters(function: griffe.Function) -> Iterator[str]:
    starred = False
    for parameter in function.parameters:
        if parameter.name in {"self", "cls"}:
            continue
        prefix = ""
        if parameter.kind is griffe.ParameterKind.var_positional:
            prefix, starred = "*", True
        elif parameter.kind is griffe.ParameterKind.var_keyword:
            prefix = "**"
        elif parameter.kind is griffe.ParameterKind.keyword_only and not starred:
            starred = True
            yield "*"
        yield f"{prefix}{parameter.name}{'=' if parameter.default is not None and not prefix else ''}"


def breaks(old: list[str], new: list[str]) -> list[str]:
    """The names that code written against `old` can't use any more as it did."""
    there = {_name(line): line for line in new}
    broken = []
    for line in old:
        name = _name(line)
        if name not in there or not _takes_as_before(line, there[name]):
            broken.append(name)
    return broken


def _name(line: str) -> str:
    return line.removeprefix("class ").partition("(")[0]


def _takes_as_before(old: str, new: str) -> bool:
    (before, named_before), (after, named_after) = _split(old), _split(new)
    for index, (name, optional) in enumerate(before.items()):
        if name.startswith("*"):
            if name not in after:
                return False
        elif list(after)[index : index + 1] != [name] or (optional and not after[name]):
            return False
    everything = {**after, **named_after}
    for name, optional in named_before.items():
        if name not in everything or (optional and not everything[name]):
            return False
    given = {**before, **named_before}
    return all(optional or name in given or name.startswith("*") for name, optional in everything.items())


def _split(line: str) -> tuple[dict[str, bool], dict[str, bool]]:
    """Parameters that may stand by position, and those by keyword alone: name → whether it has a default."""
    found = re.search(r"\((.*)\)$", line)
    positional: dict[str, bool] = {}
    named: dict[str, bool] = {}
    into = positional
    for parameter in filter(None, found[1].split(", ")) if found is not None else ():
        if parameter == "*":
            into = named
            continue
        into[parameter.removesuffix("=")] = parameter.endswith("=")
        if parameter.startswith("*") and not parameter.startswith("**"):
            into = named
    return positional, named


if __name__ == "__main__":
    RECORDED.write_text("\n".join(lines()) + "\n", encoding="utf-8")
