"""What a call of each operation should look like on the wire, read from the documents alone.

Nothing here looks at the generated package: the arguments and the request they should make both come from `specs/`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from klaviyo_async import REVISION, F
from tests.support.synthesis import PREFIX, Synthesiser, attribute_of, plain

SPECS = Path(__file__).resolve().parents[2] / "specs"
FOLDER = SPECS / REVISION
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
METHODS = ("get", "post", "patch", "put", "delete")
MEMBERS = {"type", "id", "attributes", "relationships", "meta", "links"}
PATH_IDS = ("$custom:::$default:::A/B 1?x=ü#%2F", "01H?#%2F&=+ä")
TEXT = 'it\'s "so" \\ a+b&c=d, é ☃ \t/?#[]%20'
REQUIRED_FILTERS = {
    "get_campaigns": ["messages.channel"],
    "get_coupon_codes": ["coupon.id"],
}


@attrs.frozen(kw_only=True)
class Call:
    """Arguments of a call, and what it should send."""

    path: tuple[str, ...]
    params: dict[str, Any]
    """Keyword → value."""
    query: dict[str, str]
    """Decoded query, each name once."""
    headers: dict[str, str]


@attrs.frozen(kw_only=True)
class Write:
    """The body of a call, in the forms that it may be given in."""

    document: Any
    """What should be sent."""
    keywords: dict[str, Any] | None
    """The same as keywords; None where the operation takes none."""
    bodies: tuple[Any, ...]
    """The same as `body`."""


class Spec:
    """One operation of the documents."""

    def __init__(self, name: str) -> None:
        self.document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.name = name
        ((self.path, item),) = self.document["paths"].items()
        ((self.method, self.raw),) = ((key, value) for key, value in item.items() if key in METHODS)
        self.tag = attribute_of(self.raw["tags"][0].replace(" ", "_"))
        self.parameters = [each for each in self.raw["parameters"] if each["name"] != "revision"]
        self.public = self.raw.get("security") == []
        self.path_names = [attribute_of(part[1:-1]) for part in self.path.split("/") if part[:1] == "{"]

    @property
    def media(self) -> str | None:
        return next(iter(self.raw.get("requestBody", {}).get("content", ())), None)

    @property
    def body_name(self) -> str | None:
        for media in self.raw.get("requestBody", {}).get("content", {}).values():
            return str(media["schema"]["$ref"].removeprefix(PREFIX))
        return None

    @property
    def success(self) -> tuple[int, str | None]:
        """Status and schema of the first success."""
        status, response = min((status, each) for status, each in self.raw["responses"].items() if status[0] == "2")
        names = [media["schema"]["$ref"].removeprefix(PREFIX) for media in response.get("content", {}).values()]
        return int(status), names[0] if names else None

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].removeprefix(PREFIX)]
        return schema

    @property
    def data(self) -> dict[str, Any]:
        """Schema of the body's `data`."""
        body = self.resolved({"$ref": PREFIX + str(self.body_name)})
        return self.resolved(body.get("properties", {}).get("data", {}))

    @property
    def body_kind(self) -> str | None:
        """multipart, ids (a list of identifiers), id (one), or resource."""
        if self.media is None:
            return None
        if self.media == "multipart/form-data":
            return "multipart"
        if self.data.get("type") == "array":
            return "ids"
        carries = self.data["properties"].keys() & {"attributes", "relationships"}
        return "id" if not carries and "/relationships/" in self.path else "resource"

    @property
    def id_from_path(self) -> bool:
        """Whether the path names the very resource that the body is."""
        return self.body_kind == "resource" and self.path.endswith("{id}") and "id" in self.data["properties"]

    @property
    def keyword_parameters(self) -> dict[str, dict[str, Any]]:
        """Python name → the parameter; families of fieldsets as one."""
        found: dict[str, dict[str, Any]] = {}
        for each in self.parameters:
            wire = each["name"]
            if each["in"] == "path":
                continue
            name = {"X-Klaviyo-API-Filters": "filter"}.get(wire, attribute_of(wire.split("[")[0]))
            if wire.startswith("page["):
                name = "page_" + wire[5:-1]
            found[name] = each
        return found

    # --- arguments

    def call(self, *, full: bool) -> Call:
        """Arguments for path, query and headers: all there are, or just the required ones."""
        path = tuple(PATH_IDS[index % 2] for index in range(len(self.path_names)))
        if self.id_from_path and "enum" in (known := self.resolved(self.data["properties"]["id"])):
            path = (*path[:-1], known["enum"][0])
        params: dict[str, Any] = {}
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        for each in self.parameters:
            wire = each["name"]
            if each["in"] == "path":
                continue
            if wire == "company_id":
                # The client gives its own, wherever the operation takes one.
                if full:
                    params["company_id"] = "OTHER1"
                query[wire] = "OTHER1" if full else "COMPA1"
            elif not (full or each.get("required")):
                continue
            elif "[" in wire and not wire.startswith("page["):
                family, _, kind = wire.rstrip("]").partition("[")
                values = each["schema"]["items"]["enum"]
                params.setdefault(attribute_of(family), {})[kind] = values
                query[wire] = ",".join(values)
            else:
                name, value, text = self._value(each, full=full)
                params[name] = value
                (headers if each["in"] == "header" else query)[wire] = text
        return Call(path=path, params=params, query=query, headers=headers)

    def _value(self, parameter: dict[str, Any], *, full: bool) -> tuple[str, Any, str]:
        wire, schema = parameter["name"], parameter["schema"]
        if wire in {"filter", "X-Klaviyo-API-Filters"}:
            return "filter", *self._filter(full=full)
        if wire == "page[size]":
            return "page_size", schema["maximum"], str(schema["maximum"])
        if wire in {"page[cursor]", "page_cursor"}:
            return "page_cursor", "bmV4dDo6aWQ6Ojox==/+", "bmV4dDo6aWQ6Ojox==/+"
        name = attribute_of(wire)
        if schema["type"] == "array":
            values = schema["items"]["enum"]
            return name, values, ",".join(values)
        if "enum" in schema:
            return name, schema["enum"][-1], schema["enum"][-1]
        if schema["type"] == "integer":
            return name, 3, "3"
        return name, TEXT, TEXT

    def _filter(self, *, full: bool) -> tuple[Any, str]:
        """An expression with a condition on every field (or on those that must be there), and its text."""
        fields = self.raw.get("x-klaviyo-filters")
        if fields is None:
            # The one operation whose filters the document has only in words.
            assert self.name == "get_client_geofences"
            return (F("lat") == 1.5) & (F("lng") == -2), "and(equals(lat,1.5),equals(lng,-2))"
        found = self.conditions()
        if not full:
            found = [next(each for each in found if f"({name}," in each[1]) for name in REQUIRED_FILTERS[self.name]]
        conditions, texts = zip(*found, strict=True)
        expression = conditions[0]
        for each in conditions[1:]:
            expression = expression & each
        return expression, texts[0] if len(texts) == 1 else f"and({','.join(texts)})"

    def conditions(self) -> list[tuple[Any, str]]:
        """A condition for every operator that a filter of the operation takes, and its text."""
        found = []
        for field, facts in self.raw["x-klaviyo-filters"].items():
            one, text_of_one = _sample(facts.get("value", {}))
            for kind, operators in facts["operators"].items():
                value, text = ([one, one], f"[{text_of_one},{text_of_one}]") if kind == "list" else (one, text_of_one)
                for operator in operators:
                    method = getattr(F(field), operator.replace("-", "_"))
                    if kind == "none":
                        found.append((method(), f"{operator}({field})"))
                    else:
                        found.append((method(value), f"{operator}({field},{text})"))
        return found

    # --- bodies

    def write(self, synthesiser: Synthesiser, *, full: bool, path: tuple[str, ...]) -> Write | None:
        """A body that has all there is, or just what is required."""
        kind = self.body_kind
        if kind is None or kind == "multipart":
            return None
        if kind == "ids":
            ((resource_type,)) = self.resolved(self.resolved(self.data["items"])["properties"]["type"])["enum"]
            ids = ["R1", TEXT] if full else ["R1"]
            document = {"data": [{"type": resource_type, "id": each} for each in ids]}
            return Write(
                document=document,
                keywords=None,
                bodies=(document, ids, tuple(ids), [{"id": each} for each in ids], *(ids if len(ids) == 1 else ())),
            )
        if kind == "id":
            ((resource_type,)) = self.resolved(self.data["properties"]["type"])["enum"]
            document = {"data": {"type": resource_type, "id": "R1"}}
            return Write(document=document, keywords=None, bodies=(document, "R1", {"id": "R1"}))
        seen = synthesiser.component(str(self.body_name), 1, only_required=not full, depth=6)
        document = _sane(plain(seen))
        data = document["data"]
        for name, relationship in data.get("relationships", {}).items():
            # Where the document doesn't require its data, an empty relationship is what is required.
            if "data" not in relationship:
                whole = plain(synthesiser.component(str(self.body_name), 1, depth=6))
                relationship["data"] = _sane(whole["data"]["relationships"][name]["data"])
        if self.id_from_path:
            data["id"] = path[-1]
        if "attributes" in self.data["properties"]:
            data.setdefault("attributes", {})
        return Write(document=document, keywords=self._keywords(data), bodies=(document,))

    def _keywords(self, data: dict[str, Any]) -> dict[str, Any]:
        taken = {"body", "options", *self.keyword_parameters} | (self.data["properties"].keys() & {"id", "meta"})
        found: dict[str, Any] = {}
        for wire, value in data.get("attributes", {}).items():
            name = attribute_of(wire)
            found[f"{name}_" if name in taken else name] = flat(value)
        for wire, value in data.get("relationships", {}).items():
            name = attribute_of(wire)
            found[f"{name}_" if name in taken | found.keys() else name] = flat_relationship(value)
        if "meta" in data:
            found["meta"] = flat(data["meta"])
        if "id" in data and not self.id_from_path:
            found["id"] = data["id"]
        return found

    @property
    def keyword_names(self) -> set[str]:
        """All the keywords that a write should take."""
        if self.body_kind == "multipart":
            return set(self.resolved({"$ref": PREFIX + str(self.body_name)})["properties"])
        if self.body_kind != "resource":
            return set()
        properties = self.data["properties"]
        taken = {"body", "options", *self.keyword_parameters} | (properties.keys() & {"id", "meta"})
        names: set[str] = set()
        for member in ("attributes", "relationships"):
            for wire in self.resolved(properties.get(member, {})).get("properties", {}):
                name = attribute_of(wire)
                names.add(f"{name}_" if name in taken | names else name)
        names |= {"meta"} & properties.keys()
        return names | ({"id"} & properties.keys() if not self.id_from_path else set())

    @property
    def required_keywords(self) -> set[str]:
        """Those without which the body would not be what the document says."""
        if self.body_kind == "multipart":
            return set(self.resolved({"$ref": PREFIX + str(self.body_name)})["required"])
        if self.body_kind != "resource":
            return set()
        properties, required = self.data["properties"], set(self.data.get("required", ()))
        taken = {"body", "options", *self.keyword_parameters}
        names = {"id"} & required if not self.id_from_path else set()
        for member in {"attributes", "relationships"} & required:
            for wire in self.resolved(properties[member]).get("required", ()):
                name = attribute_of(wire)
                names.add(f"{name}_" if name in taken else name)
        return names


@cache
def spec_of(name: str) -> Spec:
    """The operation's document."""
    return Spec(name)


def _sample(value: dict[str, Any]) -> tuple[Any, str]:
    """A value that a filter takes, and its text in the grammar."""
    if "enum" in value:
        return value["enum"][0], json.dumps(value["enum"][0], ensure_ascii=False)
    kind, form = value.get("type"), value.get("format")
    if form == "date-time":
        from datetime import UTC, datetime  # noqa: PLC0415

        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"
    if kind == "boolean":
        return True, "true"
    if kind == "integer":
        return 5, "5"
    if kind == "number":
        return 1.5, "1.5"
    return TEXT, '"it\'s \\"so\\" \\\\ a+b&c=d, é ☃ \t/?#[]%20"'


def _sane(value: Any, key: str = "") -> Any:
    """Filters that parse, and ids that are some, where the schema only says text."""
    if isinstance(value, dict):
        made = {name: _sane(each, name) for name, each in value.items()}
        if "type" in made and made.get("id") == "":
            made["id"] = "R1"
        return made
    if isinstance(value, list):
        return [_sane(each, key) for each in value]
    if key == "filter" and isinstance(value, str):
        return 'equals(a,"b")'
    return value


def is_resource(value: Any) -> bool:
    """Whether a JSON value is a JSON:API resource object with attributes."""
    return isinstance(value, dict) and {"type", "attributes"} <= value.keys() <= MEMBERS


def flat(value: Any) -> Any:
    """A value with the envelopes of nested resources taken off, as a keyword may be given."""
    if isinstance(value, dict):
        if value.keys() == {"data"} and is_resource(value["data"]):
            return flat(value["data"])
        if value.keys() == {"data"} and isinstance(value["data"], list) and all(map(is_resource, value["data"])):
            return [flat(each) for each in value["data"]]
        if is_resource(value):
            return flat_resource(value)
        return {key: flat(each) for key, each in value.items()}
    return [flat(each) for each in value] if isinstance(value, list) else value


def flat_resource(value: dict[str, Any]) -> Any:
    """A resource object as a mapping whose keys find their places."""
    made = {attribute_of(key): flat(each) for key, each in value["attributes"].items()}
    related = {attribute_of(key): flat_relationship(each) for key, each in value.get("relationships", {}).items()}
    others = {key: flat(value[key]) for key in ("id", "meta") if key in value}
    return made | related | others


def flat_relationship(value: Any) -> Any:
    """A relationship as ids, or as mappings where it carries whole resources."""
    data = value["data"]
    many = data if isinstance(data, list) else [data]
    made = [each["id"] if each.keys() == {"type", "id"} else flat(each) for each in many]
    return made if isinstance(data, list) else made[0]
