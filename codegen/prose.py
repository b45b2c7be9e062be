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
import tomllib
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.overrides import overrides_file
from codegen.shape import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOOKS_LIKE_A_LIMIT = re.compile(
    r"\b(?:max|min|maximum|minimum|limit|limits|limited|up to|at most|at least|no more than|exceeds?|fewer|only one|"
    r"more than|less than|larger|smaller|longer|shorter|cannot|can't|must be|must not|must include|required|rate|default|"
    r"defaults|retained|per (?:request|second|minute|hour|day|call|page|job|account)|page size)\b"
    r"|\b\d[\d,.]*\s?(?:[KMG]?B|bytes|characters|items|days|weeks|months|years?|seconds|minutes|hours)\b",
    re.IGNORECASE,
)

_N = r"[*`]*([\d,]+)[*`]*"
_SIZE = r"(\d+)\s?(KB|MB)"
_RATE = r"`(\d+/[smhd])`"
_RATES = re.compile(
    r"\*?Rate limits\*?(?: when using the `([^`=]+)=([^`]+)` parameter in your API request)?:\s*"
    rf"Burst: {_RATE}\s*Steady: {_RATE}(?:\s*Daily: {_RATE})?"
)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
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
    ignored: int = 0
    _unknown: dict[tuple[str, str], Sentence] = Factory(dict)
    _seen: set[tuple[str, str, str]] = Factory(set)

    @classmethod
    def load(cls, specs: Path) -> Rules:
        """The `[[ignore]]` rules of the overrides that go with a folder of specs."""
        path = overrides_file(specs)
        if not path.exists():
            return cls()
        try:
            data = tomllib.loads(documents.read_text(path))
        except tomllib.TOMLDecodeError as error:
            raise CodegenError(f"not TOML: {error}", file=path) from None
        ignores = []
        for index, rule in enumerate(data.get("ignore", ())):
            place = f"/ignore/{index}"
            if not isinstance(rule, dict) or rule.keys() != {"pattern", "why"} or not all(map(str, rule.values())):
                raise CodegenError("an [[ignore]] has a pattern and a why, nothing else", file=path, place=place)
            try:
                ignores.append(_Ignore(re.compile(rule["pattern"], re.IGNORECASE), rule["why"]))
            except re.error as error:
                raise CodegenError(f"not a regular expression: {error}", file=path, place=place) from None
        return cls(ignores)

    def take(self, operation: dict[str, Any], components: dict[str, dict[str, Any]]) -> Taken:
        """`operation` and `components` with the facts of their descriptions as data. The originals stay as they are."""
        operation, components = copy.deepcopy(operation), copy.deepcopy(components)
        name = operation["operationId"]
        text = operation.get("description")
        if isinstance(text, str):
            text = self._rates(text, operation)
            self._sentences(text, name, "/description", lambda s: _operation_fact(s, operation))
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

    def unknown(self) -> list[Sentence]:
        """What was neither understood nor ignored, each sentence once."""
        return list(self._unknown.values())

    def _piece(self, node: dict[str, Any], schema: Any, name: str, place: str, *, shared: bool = False) -> None:
        text = node.get("description")
        if isinstance(text, str) and isinstance(schema, dict):
            self._sentences(text, name, place, lambda s: _schema_fact(s, schema), shared=shared)

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


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _bytes(count: str, unit: str) -> int:
    return int(count) * {"KB": 1_000, "MB": 1_000_000}[unit.upper()]


# --- operations

_ROWS = [
    re.compile(rf"\baccepts (?:up to|a maximum of) {_N} [\w -]+ per (?:request|call)\.?$", re.IGNORECASE),
    re.compile(rf"^Max number of [\w ]+ per job we allow for is {_N}\.?$"),
    re.compile(rf"^Maximum number of profiles (?:can be submitted for subscription|per call): {_N}\.?$"),
    re.compile(rf"^Email address per request limit: {_N}\.?$"),
    re.compile(r"^This endpoint accepts only (one) source profile\.$"),
]
_BYTES = {
    "bytes": re.compile(rf"^The maximum allowed payload size is {_SIZE}\.$"),
    "row_bytes": re.compile(rf"^The maximum allowed payload size per-(?:profile|record) is {_SIZE}\.$"),
    "string_bytes": re.compile(rf"^A single string cannot exceed {_SIZE}\.$"),
}
_JOBS = [
    re.compile(rf"^The maximum number of jobs in progress at one time is {_N}\.$"),
    re.compile(rf"^Max number of jobs queued at once we allow for is {_N}\.$"),
]
_RETENTION = re.compile(r"^Logs are retained for (\d+) days;")
_PAGE_ROWS = [
    re.compile(rf"^Returns a maximum of {_N} [\w -]+ per (?:request|page)(?: \(default (\d+)\))?\b.*$"),
    re.compile(rf"\bwith a fixed page size of {_N}\.$"),
]


def _operation_fact(sentence: str, operation: dict[str, Any]) -> str | None:
    """Put the fact of a sentence on the operation. None where understood, else the reason why it isn't."""
    for pattern in _ROWS:
        if match := pattern.search(sentence):
            return _cap(operation, "rows", 1 if match[1] == "one" else _number(match[1]))
    for key, pattern in _BYTES.items():
        if match := pattern.search(sentence):
            return _cap(operation, key, _bytes(match[1], match[2]))
    for pattern in _JOBS:
        if match := pattern.search(sentence):
            return _cap(operation, "jobs", _number(match[1]))
    for pattern in _PAGE_ROWS:
        if match := pattern.search(sentence):
            default = match[2] if (match.lastindex or 0) > 1 else None
            return _page_rows(operation, _number(match[1]), default)
    if match := _RETENTION.search(sentence):
        operation["x-retention-days"] = int(match[1])
        return None
    return "looks like a limit"


def _cap(operation: dict[str, Any], key: str, value: int) -> str | None:
    caps = operation.setdefault("x-caps", {})
    if caps.setdefault(key, value) != value:
        return f"{key} is {caps[key]} elsewhere in the description"
    return None


def _page_rows(operation: dict[str, Any], rows: int, default: str | None) -> str | None:
    for parameter in operation.get("parameters", ()):
        if parameter.get("name") in {"page[size]", "page_size"} and isinstance(parameter.get("schema"), dict):
            schema = parameter["schema"]
            if default is not None:
                schema.setdefault("default", int(default))
            if "maximum" not in schema:
                schema["maximum"] = rows
            elif rows not in (schema["maximum"], schema.get("default")):
                return f"page[size] has default {schema.get('default')} and maximum {schema['maximum']}"
            return None
    if operation.setdefault("x-page-rows", rows) != rows:
        return f"x-page-rows is {operation['x-page-rows']}"
    return None


# --- parameters and schemas

_PAGE_SIZE = re.compile(r"^(Default|Min|Max): (\d+)\.$")
_KEYWORDS = {"Default": "default", "Min": "minimum", "Max": "maximum"}


def _schema_fact(sentence: str, schema: dict[str, Any]) -> str | None:
    """Put the fact of a sentence on the schema. None where understood, else the reason why it isn't."""
    for pattern, facts in _SCHEMA_FACTS:
        if match := pattern.search(sentence):
            return _set(schema, facts(match, schema))
    return "looks like a limit"


def _set(schema: dict[str, Any], facts: dict[str, Any] | None) -> str | None:
    if facts is None:
        return "the schema is of another type"
    for key, value in facts.items():
        if schema.setdefault(key, value) != value:
            return f"{key} is {schema[key]} in the schema"
    return None


def _positive(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
    del match
    if schema.get("type") == "integer":
        return {"minimum": 1}
    return {"pattern": "^[1-9][0-9]*$"} if schema.get("type") == "string" else None


def _of(kind: str, facts: Callable[[re.Match[str]], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any] | None]:
    def take(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
        return facts(match) if schema.get("type") == kind else None

    return take


def _timeframe(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {"x-max-timeframe": {**schema.pop("x-max-timeframe", {}), match[1]: match[2]}}


_SCHEMA_FACTS: list[tuple[re.Pattern[str], Callable[[re.Match[str], dict[str, Any]], dict[str, Any] | None]]] = [
    (_PAGE_SIZE, _of("integer", lambda m: {_KEYWORDS[m[1]]: int(m[2])})),
    (re.compile(r"^Must be less than (\d+) characters\.?$"), _of("string", lambda m: {"maxLength": int(m[1]) - 1})),
    (re.compile(r"\(max (\d+) characters\)$"), _of("string", lambda m: {"maxLength": int(m[1])})),
    (
        re.compile(r"^Must be between (\d+) and (\d+) characters\b"),
        _of("string", lambda m: {"minLength": int(m[1]), "maxLength": int(m[2])}),
    ),
    (re.compile(r"\(max (\d+), positions\b"), _of("array", lambda m: {"maxItems": int(m[1])})),
    (re.compile(r"\(must not exceed (\d+) properties\)"), _of("object", lambda m: {"maxProperties": int(m[1])})),
    (re.compile(r"^Must be a posi?tive integer\.?$"), _positive),
    (re.compile(r"^Must be https\.?$"), _of("string", lambda m: {"pattern": "^https://"} if m else {})),
    (
        re.compile(
            rf"^The size of the event payload must not exceed {_SIZE}, and each string cannot be larger than {_SIZE}\."
        ),
        lambda m, _: {"x-max-bytes": _bytes(m[1], m[2]), "x-max-string-bytes": _bytes(m[3], m[4])},
    ),
    (re.compile(rf"^Maximum image size: {_SIZE}\.?$"), lambda m, _: {"x-max-bytes": _bytes(m[1], m[2])}),
    (re.compile(r"^May not exceed (\d+)(kb)\.?$"), lambda m, _: {"x-max-bytes": _bytes(m[1], m[2])}),
    (re.compile(rf"^Max of {_N} \w+ per (?:list|ANY) filter\.?$"), lambda m, _: {"x-max-filter-items": _number(m[1])}),
    (re.compile(r"^If (\w+) is used, the timeframe cannot be longer than (\d+ \w+)\.$"), _timeframe),
    (re.compile(r"\(Max length: (\d+ \w+)\)\.$"), lambda m, _: {"x-max-timeframe": m[1]}),
    (
        re.compile(r"^The following group by attributes are required: ([a-z_]+(?:, [a-z_]+)*)\.?$"),
        _of("array", lambda m: {"x-required-items": m[1].split(", ")}),
    ),
    (re.compile(r"^Only one trigger is supported\.$"), _of("array", lambda _: {"maxItems": 1})),
]
