"""Limits and caps that upstream says only in descriptions, taken out as data.

Facts about an operation become keys on it:

- `x-parameter-limits`: list of `{parameter, value, resource, burst, steady, daily?}`
- `x-caps`: `{rows, bytes, row_bytes, string_bytes, jobs}`, bytes decimal
- `x-page-rows`: rows of a page, where there is no `page[size]` to ask for another number
- `x-retention-days`: how far back the list goes

Facts about a schema become the standard keyword where there is one (`maxLength`, `maxItems`, `maxProperties`,
`minimum`, `pattern` …), else `x-max-bytes`, `x-max-string-bytes`, `x-max-filter-items`, `x-max-timeframe` or
`x-required-items`.

Every sentence that looks like a limit is understood here, knowingly ignored by a rule in `specs/overrides.toml`
(`[[ignore]]`, each with its reason), or reported.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen.errors import CodegenError
from codegen.importing import filters, phrases
from codegen.openapi import walk
from codegen.references import References
from codegen.specs import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOOKS_LIKE_A_LIMIT = re.compile(
    r"\b(?:max|min|maximum|minimum|limit|limits|limited|up to|at most|at least|no more than|exceeds?|fewer|only one|"
    r"more than|less than|larger|smaller|longer|shorter|cannot|can't|must be|must not|must include|required|rate|default|"
    r"defaults|retained|per (?:request|second|minute|hour|day|call|page|job|account)|page size)\b"
    r"|(?<![\d,.])\b\d[\d,.]*\s?(?:[KMG]?B|bytes|characters|items|days|weeks|months|years?|seconds|minutes|hours)\b",
    re.IGNORECASE,
)

_RATE = r"`(\d+/[smhd])`"
_RATES = re.compile(
    r"\*?Rate limits\*?(?: when using the `([^`=]+)=([^`]+)` parameter in your API request)?:\s*"
    rf"Burst: {_RATE}\s*Steady: {_RATE}(?:\s*Daily: {_RATE})?"
)
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()]*\)")
_TOO_LONG = 5_000
"""Characters of a sentence that nobody wrote; the patterns take their time with such."""
_FILTER_LINE = re.compile(r"`[^`]+`: `[a-z-]+`(?:, `[a-z-]+`)*")
_PARAMETER = re.compile(r"[a-z-]+\[([^\]]+)\]")


@frozen
class Sentence:
    """A sentence, where it stands and why it is reported."""

    text: str
    operation: str
    place: str
    why: str = "looks like a limit"
    times: int = 1

    def __str__(self) -> str:
        more = f" and {self.times - 1} more" if self.times > 1 else ""
        return f"{self.operation} {self.place}{more} ({self.why}): {self.text}"


@frozen
class Taken:
    """An operation and its components with the facts in them."""

    operation: dict[str, Any]
    components: dict[str, dict[str, Any]]


@define
class _Ignore:
    pattern: re.Pattern[str]
    why: str
    hits: int = 0


@define
class Rules:
    """Takes facts out of one revision's prose, and keeps account of what it could not."""

    ignores: list[_Ignore] = Factory(list)
    facts: int = 0
    filters: int = 0
    """Operations whose filters come from words."""
    ignored: int = 0
    _unknown: dict[tuple[str, str], Sentence] = Factory(dict)
    _seen: set[tuple[str, str, str]] = Factory(set)

    @classmethod
    def load(cls, specs: Path, revision: str) -> Rules:
        """The `[[ignore]]` rules about `revision` of the overrides that go with a folder of specs."""
        path = tables.overrides_file(specs)
        ignores = []
        for index, rule in enumerate(tables.read(path, "ignore")):
            place = f"/ignore/{index}"
            needed, known = {"pattern", "why"}, {"pattern", "why", "since", "until"}
            if (
                not isinstance(rule, dict)
                or not needed <= rule.keys() <= known
                or not all(_is_text(rule[key]) for key in needed)
            ):
                problem = "an [[ignore]] has a pattern and a why, perhaps since and until, nothing else"
                raise CodegenError(problem, file=path, place=place)
            about = tables.period(rule, path, place)
            try:
                pattern = re.compile(rule["pattern"], re.IGNORECASE)
            except re.error as error:
                raise CodegenError(f"not a regular expression: {error}", file=path, place=place) from None
            if about.covers(revision):
                ignores.append(_Ignore(pattern, rule["why"]))
        return cls(ignores)

    def take(self, operation: dict[str, Any], components: dict[str, dict[str, Any]]) -> Taken:
        """`operation` and `components` with the facts of their descriptions as data. The originals stay as they are."""
        operation, components = copy.deepcopy(operation), copy.deepcopy(components)
        name = operation["operationId"]
        self._filters(operation, References({"components": components}))
        text = operation.get("description")
        if isinstance(text, str):
            text = self._rates(text, operation)
            self._sentences(text, name, "/description", lambda s: phrases.operation_fact(s, operation))
        pieces = [
            (place, kind, node)
            for place, kind, node in walk(operation, "operation")
            if place and isinstance(node, dict)
        ]
        parents = {place: node for place, _, node in pieces}
        for place, kind, node in pieces:
            parent = parents.get(place.rpartition("/")[0], {})
            if kind == "schema" and "name" in parent and parent.get("description") == node.get("description"):
                continue  # the parameter's own description once more
            schema = node.get("schema", node) if kind == "parameter" else node
            self._piece(node, schema, name, place)
        for place, kind, node in walk(components, "components"):
            if kind in {"schema", "response", "header"} and isinstance(node, dict):
                self._piece(node, node, name, place, shared=True)
        return Taken(operation, components)

    def _filters(self, operation: dict[str, Any], known: References) -> None:
        """Put the filters that the words allow on the operation, where the extension doesn't say them."""
        lines, name = filters.read(operation, known), operation["operationId"]
        if lines is None:
            return
        said = operation.get("x-klaviyo-filters")
        if said is None and lines.filters:
            operation["x-klaviyo-filters"] = lines.filters
            self.facts += len(lines.filters)
            self.filters += 1
        elif isinstance(said, dict):
            for field, facts in lines.filters.items():
                there = _operators(said.get(field))
                if more := sorted(_operators(facts) - there):
                    why = "x-klaviyo-filters says otherwise"
                    self._report(f"`{field}`: {', '.join(f'`{each}`' for each in more)}", name, "/parameters", why)
        for line in lines.unread:
            self._report(line, name, "/parameters", "a line about filters")

    def unknown(self) -> list[Sentence]:
        """What was neither understood nor ignored, each sentence once."""
        return list(self._unknown.values())

    def _piece(self, node: dict[str, Any], schema: Any, name: str, place: str, *, shared: bool = False) -> None:
        text = node.get("description")
        if isinstance(text, str) and isinstance(schema, dict):
            self._sentences(text, name, place, lambda s: phrases.schema_fact(s, schema), shared=shared)

    def _rates(self, text: str, operation: dict[str, Any]) -> str:
        """Take the blocks of rate limits out of `text`."""

        def take(match: re.Match[str]) -> str:
            parameter, value, *rates = match.groups()
            limits = {key: rate for key, rate in zip(("burst", "steady", "daily"), rates, strict=True) if rate}
            self.facts += 1
            if parameter is None:
                known = operation.get("x-klaviyo-ratelimit")
                if known is None:
                    operation["x-klaviyo-ratelimit"] = limits
                elif known != limits:
                    said = ", ".join(f"{key} {rate}" for key, rate in limits.items())
                    self._report(
                        f"rate limits {said}",
                        operation["operationId"],
                        "/description",
                        "x-klaviyo-ratelimit says otherwise",
                    )
                return "\n"
            bracket = _PARAMETER.fullmatch(parameter)
            operation.setdefault("x-parameter-limits", []).append(
                {"parameter": parameter, "value": value, **({"resource": bracket[1]} if bracket else {}), **limits}
            )
            return "\n"

        return _RATES.sub(take, _lines(text))

    def _sentences(
        self,
        text: str,
        name: str,
        place: str,
        take: Callable[[str], str | None],
        *,
        shared: bool = False,
    ) -> None:
        for sentence in split(text):
            if len(sentence) > _TOO_LONG:
                self._report(f"{sentence[:80]}…", name, place, "too long to be read")
                continue
            if not _LOOKS_LIKE_A_LIMIT.search(sentence):
                continue
            key = ("" if shared else name, place, sentence)
            first = key not in self._seen
            self._seen.add(key)
            problem = take(sentence)
            if problem is None:
                self.facts += first
            elif first and not self._is_ignored(sentence):
                self._report(sentence, name, place, problem)

    def _is_ignored(self, sentence: str) -> bool:
        for rule in self.ignores:
            if rule.pattern.search(sentence):
                rule.hits += 1
                self.ignored += 1
                return True
        return False

    def _report(self, sentence: str, name: str, place: str, why: str) -> None:
        if self._is_ignored(f"{name}: {why}: {sentence}"):
            return
        known = self._unknown.get((sentence, why))
        self._unknown[sentence, why] = (
            Sentence(sentence, name, place, why)
            if known is None
            else Sentence(known.text, known.operation, known.place, why, known.times + 1)
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _operators(facts: Any) -> set[str]:
    """The operators of a field of `x-klaviyo-filters`, whatever they take."""
    kinds = facts.get("operators") if isinstance(facts, dict) else None
    groups = kinds.values() if isinstance(kinds, dict) else ()
    return {name for group in groups if isinstance(group, list) for name in group if isinstance(name, str)}


def split(text: str) -> Iterator[str]:
    """The sentences of a description, links and line wrapping taken out."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*>•]|`[^`]+`:))", _lines(text)):
        flat = _LINK.sub(r"\1", " ".join(paragraph.split()))
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9*`\"'(])", flat):
            bare = sentence.strip()
            if bare and not _FILTER_LINE.fullmatch(bare):
                yield bare


def _lines(text: str) -> str:
    return re.sub(r"<br\s*/?>", "\n\n", text, flags=re.IGNORECASE)
