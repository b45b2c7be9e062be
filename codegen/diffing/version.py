"""The package's version after a change, and its changelog entry.

Before 1.0: a new revision, and any breaking or possibly breaking change, is a minor version; everything else a patch.
From 1.0 on: a breaking change is a major version; a new revision, a possibly breaking change or an addition a minor one;
everything else a patch.

The base is the last released version. If the changelog already has an unreleased version that is high enough, it is kept.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.diffing.changes import Rating
from codegen.diffing.proposal import Proposal
from codegen.diffing.report import groups, one_line
from codegen.errors import CodegenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.diffing.compare import Diff

PROJECT = Path(__file__).resolve().parents[2]
VERSION_FILE = "klaviyo_async/_version.py"
CHANGELOG = "CHANGELOG.md"

_VERSION = re.compile(r'^__version__ = "(\d+)\.(\d+)\.(\d+)"$', re.MULTILINE)
_HEADING = re.compile(r"^## (\d+)\.(\d+)\.(\d+)( \(unreleased\))?[^\n]*$", re.MULTILINE)
_WIDTH = 140
_MOST = 8

Version = tuple[int, int, int]


def propose(diff: Diff, project: Path = PROJECT) -> Proposal:
    """The version that the project should have after the change. Raises CodegenError where its files can't be read."""
    current = _current(project)
    headings = list(_HEADING.finditer(_text(project / CHANGELOG)))
    unreleased = bool(headings) and headings[0][4] is not None
    released = next((_numbers(each) for each in headings if each[4] is None), (0, 0, 0) if unreleased else current)
    if not diff:
        return Proposal(_dotted(released), _dotted(current), _dotted(current), "nothing changes")
    step, why = _step(diff, released)
    raised = _raised(released, step)
    version = max(raised, current) if unreleased else raised
    if version != raised:
        why += f"; {_dotted(version)}, which isn't released yet, is high enough"
    return Proposal(_dotted(released), _dotted(current), _dotted(version), why)


def _step(diff: Diff, released: Version) -> tuple[int, str]:
    """Which of the three numbers goes up, and why."""
    found = {rating: sum(1 for _ in diff.rated(rating)) for rating in Rating}
    told = f"{found[Rating.BREAKING]} breaking and {found[Rating.POSSIBLY]} possibly breaking changes"
    new = diff.old != diff.new
    if released >= (1, 0, 0):
        if found[Rating.BREAKING]:
            return 0, f"{told}: a major version"
        if found[Rating.POSSIBLY] or new or any(each.kind.endswith("-added") for each in diff.changes):
            return 1, f"{told}, and something new: a minor version" if not found[
                Rating.POSSIBLY
            ] else f"{told}: a minor version"
        return 2, "nothing new and nothing that breaks: a patch"
    if found[Rating.BREAKING] or found[Rating.POSSIBLY]:
        return 1, f"{told}: a minor version before 1.0"
    if new:
        return 1, "another revision: a minor version before 1.0"
    return 2, "nothing that breaks, in the same revision: a patch before 1.0"


def _raised(version: Version, step: int) -> Version:
    major, minor, patch = version
    return ((major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1))[step]


def entry(diff: Diff) -> str:
    """What the changelog says of the change, in users' words."""
    title = f"Klaviyo revision {diff.new}, before {diff.old}" if diff.old != diff.new else f"Within revision {diff.new}"
    return "\n".join([f"### {title}", "", *_lines(diff)])


def _lines(diff: Diff) -> Iterator[str]:
    added = sorted(each.subject for each in diff.changes if each.kind == "function-added")
    if added:
        yield _wrapped(
            f"**{len(added)} new function{'s' if len(added) > 1 else ''}**: {', '.join(f'`{name}`' for name in added)}."
        )
    for rating in (Rating.BREAKING, Rating.POSSIBLY):
        found = groups(diff.rated(rating))
        for group in found[: _MOST * 3]:
            yield _wrapped(f"**{rating.text.capitalize()}**: {one_line(group, most=4)}.")
        if len(found) > _MOST * 3:
            yield f"- {len(found) - _MOST * 3} more of these: `python -m codegen diff {diff.old} {diff.new}`."
    rest = sum(1 for each in diff.rated(Rating.COMPATIBLE) if each.kind != "function-added")
    if rest:
        fields = sum(each.kind == "field-added" for each in diff.changes)
        yield _wrapped(
            f"{rest} compatible change{'s' if rest > 1 else ''}{f', {fields} of them new fields' if fields else ''}."
        )


def _wrapped(text: str) -> str:
    return textwrap.fill(f"- {text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def write(project: Path, proposal: Proposal, told: str) -> None:
    """Put the version and the entry `told` into the project's files: into the unreleased section on top, made if need be."""
    path = project / VERSION_FILE
    text = _text(path)
    path.write_text(_VERSION.sub(f'__version__ = "{proposal.version}"', text), encoding="utf-8")
    path = project / CHANGELOG
    text = _text(path)
    first = _HEADING.search(text)
    if first is not None and first[4] is not None:
        heading = first[0].replace(".".join(first.group(1, 2, 3)), proposal.version)
        rest = text[first.end() :].lstrip("\n")
        text = f"{text[: first.start()]}{heading}\n\n{told}\n\n{rest}"
    else:
        start = len(text) if first is None else first.start()
        text = f"{text[:start].rstrip()}\n\n## {proposal.version} (unreleased)\n\n{told}\n\n{text[start:]}"
    path.write_text(f"{text.rstrip()}\n", encoding="utf-8")


def _current(project: Path) -> Version:
    path = project / VERSION_FILE
    match = _VERSION.search(_text(path))
    if match is None:
        raise CodegenError('expected a line like __version__ = "1.2.3"', file=path)
    return _numbers(match)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CodegenError(f"can't be read: {getattr(error, 'strerror', None) or error}", file=path) from None


def _numbers(match: re.Match[str]) -> Version:
    return int(match[1]), int(match[2]), int(match[3])


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
