"""Differences as Markdown for people and as JSON for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen.diffing.changes import Change, Rating

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codegen.diffing.compare import Diff
    from codegen.diffing.proposal import Proposal

_SECTIONS = {
    "functions": ("function-", "alias-"),
    "arguments and requests": (
        "argument", "body", "filter", "include", "sort", "fields", "additional_fields", "parameter", "media", "path",
    ),
    "limits": ("limits", "caps", "page-"),
    "responses": ("result", "success", "pagination"),
    "scopes, retries and the like": ("scopes", "safe-", "bulk", "authentication", "deprecated", "summary", "extension", "fact"),
    "fields": ("field-",),
    "classes": ("class-",),
    "lists of values": ("values",),
    "names of argument types": ("type-",),
}  # fmt: skip
"""Section → how the kinds of changes in it begin, the important first."""
_NAMES = {
    "class-added": ("class", "classes"),
    "class-removed": ("class", "classes"),
    "class-renamed": ("class has another name", "classes have other names"),
    "class-taken-over": ("schema", "schemas"),
    "values-added": ("list of values", "lists of values"),
    "values-removed": ("list of values", "lists of values"),
    "type-added": ("name in `api.types`", "names in `api.types`"),
    "type-removed": ("name in `api.types`", "names in `api.types`"),
    "alias-added": ("other name of a function", "other names of functions"),
    "alias-removed": ("other name of a function", "other names of functions"),
}
"""Kinds of which there may be hundreds, each with its own text: told in one line. How one and several are called."""
_DONE = {
    "class-added": "added",
    "class-removed": "removed",
    "class-renamed": "",
    "class-taken-over": "another name of a resource's class now",
    "values-added": "added",
    "values-removed": "removed",
    "type-added": "added",
    "type-removed": "removed",
    "alias-added": "added",
    "alias-removed": "removed",
}
_FEW = 3
_SHORTENED = "\n\n*Shortened here; `python -m codegen diff {old} {new}` shows everything.*"


@define
class Group:
    """Changes that are told in one line."""

    kind: str
    text: str
    """What is different, the same in all of them; empty where each has its own."""
    changes: list[Change] = Factory(list)

    @property
    def functions(self) -> list[str]:
        """The functions that they reach."""
        return sorted({name for each in self.changes for name in each.functions})


def groups(changes: Iterable[Change]) -> list[Group]:
    """Like changes put together, in the order of the sections."""
    found: dict[tuple[str, str, str], Group] = {}
    for each in changes:
        field = each.subject.rpartition(".")[2] if each.kind.startswith("field-") else ""
        text = "" if each.kind in _NAMES else each.text
        found.setdefault((each.kind, field, text), Group(each.kind, text)).changes.append(each)
    order = list(_SECTIONS)
    return sorted(found.values(), key=lambda group: order.index(_section(group.kind)))


def _section(kind: str) -> str:
    for section, starts in _SECTIONS.items():
        if kind.startswith(starts):
            return section
    return "scopes, retries and the like"


def one_line(group: Group, *, most: int = _FEW) -> str:
    """The line of a group."""
    subjects = [_subject(each) for each in group.changes]
    mark = " ▼ a limit shrinks" if any(each.shrinks for each in group.changes) else ""
    if group.kind in _NAMES:
        return _names(group, subjects, most)
    if len(subjects) == 1:
        return f"{subjects[0]}: {group.text}{_reached(group)}{mark}"
    if group.kind.startswith("field-"):
        name = group.changes[0].subject.rpartition(".")[2]
        owners = [f"`{each.subject.split('.')[-2]}`" for each in group.changes]
        return f"`{name}` in {len(owners)} classes: {group.text}{mark} — {_some(owners, most)}"
    return f"{group.text}{mark} — {_some(subjects, most)}"


def _names(group: Group, subjects: list[str], most: int) -> str:
    singular, plural = _NAMES[group.kind]
    count = len(subjects)
    if group.kind in {"class-renamed", "class-taken-over", "alias-added", "alias-removed"} or count == 1:
        subjects = [f"{subject} {each.text}" for subject, each in zip(subjects, group.changes, strict=True)]
        if count == 1:
            return subjects[0]
    what = f"{count} {plural if count > 1 else singular} {_DONE[group.kind]}".strip()
    return f"{what}: {_some(subjects, most)}"


def _subject(change: Change) -> str:
    if 0 < len(change.arguments) <= _FEW:
        return ", ".join(f"`{each.removesuffix(')')}=)`" for each in change.arguments)
    name = change.subject
    if change.kind.startswith("field-"):
        # Class and field say enough.
        name = ".".join(name.split(".")[-2:])
    return f"`{name.removeprefix('api.types.')}`"


def _some(items: list[str], most: int) -> str:
    return ", ".join(items) if len(items) <= most else f"{', '.join(items[:most])} and {len(items) - most} more"


def _reached(group: Group) -> str:
    """The functions, where the subject is none and no keyword of one."""
    change = group.changes[0]
    if 0 < len(change.arguments) <= _FEW or not change.kind.startswith(("field-", "class-")) or not group.functions:
        return ""
    return f" ({_some([f'`{name}`' for name in group.functions], _FEW)})"


def as_markdown(diff: Diff, proposal: Proposal, changelog: str, *, limit: int | None = None) -> str:
    """The differences for people. With a `limit` of characters it is cut where the unimportant begins."""
    head = f"# Klaviyo {diff.old} → {diff.new}\n"
    problems = "".join(f"\n- {each}" for each in diff.problems)
    if problems:
        problems = f"\n\n## Overrides that don't fit\n{problems}"
    if not diff:
        return f"{head}\nNo difference.{problems}"
    head += f"\n{_summary(diff)}{problems}"
    tail = (
        f"\n\n## Version\n\n{proposal.released} was released last; this is **{proposal.version}** ({proposal.why}).\n"
    )
    tail += f"\n## For the changelog\n\n{changelog}"
    body = list(_body(diff))
    if limit is None:
        return head + "".join(body) + tail
    note = _SHORTENED.format(old=diff.old, new=diff.new)
    if len(tail) > limit // 3:
        tail = tail[: limit // 3].rpartition("\n")[0] + note
    kept, room = [], limit - len(head) - len(tail) - len(note)
    for part in body:
        if len(part) > room:
            kept.append(note)
            break
        kept.append(part)
        room -= len(part)
    return (head + "".join(kept) + tail)[:limit]


def _summary(diff: Diff) -> str:
    rows = [f"| {name} | {old} | {new} |" for name, (old, new) in diff.counts.items()]
    counts = {rating: sum(1 for _ in diff.rated(rating)) for rating in Rating}
    told = ", ".join(f"{counts[rating]} {rating.text}" for rating in reversed(Rating))
    return "\n".join(["| | before | after |", "|---|---|---|", *rows, "", f"**Changes: {told}.**"])


def _body(diff: Diff) -> Iterator[str]:
    """The parts of the report, the important first; each begins on a new line."""
    titles = {Rating.BREAKING: "Breaking", Rating.POSSIBLY: "Possibly breaking", Rating.COMPATIBLE: "Compatible"}
    for rating in reversed(Rating):
        found = groups(diff.rated(rating))
        if not found:
            continue
        yield f"\n\n## {titles[rating]}"
        section = ""
        for group in found:
            if _section(group.kind) != section:
                section = _section(group.kind)
                yield f"\n\n### {section.capitalize()}\n"
            yield f"\n- {one_line(group)}"
            if len(group.changes) > _FEW:
                yield _details(group)


def _details(group: Group) -> str:
    """All of a group, folded."""
    items = []
    for each in group.changes:
        text = f" {each.text}" if group.kind in _NAMES and each.text not in {"added", "removed"} else ""
        items.append(f"{_subject(each)}{text}")
    return f"\n  <details><summary>all {len(items)}</summary>\n\n  {', '.join(items)}\n\n  </details>"


def as_json(diff: Diff, proposal: Proposal, changelog: str) -> str:
    """The differences for machines."""
    data: dict[str, Any] = {
        "old": diff.old,
        "new": diff.new,
        "rating": diff.rating.text if diff else "same",
        "counts": {name: {"old": old, "new": new} for name, (old, new) in diff.counts.items()},
        "totals": {rating.text: sum(1 for _ in diff.rated(rating)) for rating in reversed(Rating)},
        "version": proposal.as_dict(),
        "changelog": changelog if diff else "",
        "gone": sorted(diff.gone()),
        "changes": [each.as_dict() for each in sorted(diff.changes, key=lambda each: -each.rating)],
        "problems": diff.problems,
    }
    return json.dumps(data, indent=1, ensure_ascii=False)
