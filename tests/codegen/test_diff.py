"""What changed between two revisions for those who use the package, and what each kind of change is rated."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import fields

from codegen.diffing import functions, report, version
from codegen.diffing.changes import Change, Rating
from codegen.diffing.compare import Diff, compare
from codegen.errors import CodegenError
from codegen.importing.importer import import_documents
from klaviyo_async.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD, NEW = "2026-04-15", "2026-07-15"
OVERRIDES = """
[[override]]
why = "a list"
operations = ["get_notes"]
set = { x-pagination = { style = "cursor", records = ["data"] }, x-safe-to-repeat = true }
"""
MARKS = ("", "? ", "! ")


def told(diff: Diff) -> list[str]:
    """The changes as lines: `!` is breaking, `?` possibly."""
    return [f"{MARKS[each.rating]}{each.subject}: {each.text}{' ▼' if each.shrinks else ''}" for each in diff.changes]


# --- a small API to change


def _schema(**properties: Any) -> dict[str, Any]:
    required = [name for name, each in properties.items() if isinstance(each, dict) and each.pop("needed", False)]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _resource(kind: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _schema(
        type={"type": "string", "enum": [kind], "needed": True},
        id={"type": "string", "needed": True},
        attributes={**attributes, "needed": True},
        **more,
    )


def _identifier(kind: str) -> dict[str, Any]:
    return _schema(type={"type": "string", "enum": [kind], "needed": True}, id={"type": "string", "needed": True})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/vnd.api+json": {"schema": schema}}}


def _query(name: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **({"required": True} if required else {})}


def _operation(name: str, **more: Any) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": name.replace("_", " ").title(),
        "tags": ["Notes"],
        "parameters": [],
        "x-klaviyo-ratelimit": {"burst": "10/s", "steady": "150/m"},
        "x-klaviyo-scopes": ["notes:read"],
        **more,
    }


def _notes() -> dict[str, Any]:
    attributes = _schema(
        title={"type": "string", "needed": True},
        size={"type": "integer", "nullable": True, "needed": True},
        status={"type": "string", "enum": ["draft", "live"], "needed": True},
        place=_ref("Place") | {"needed": True},
        words={"type": "array", "items": {"type": "string"}, "needed": True},
        extra={"type": "object", "needed": True},
        shape={"oneOf": [_ref("Circle"), _ref("Square")], "needed": True},
    )
    query = _schema(
        title={"type": "string", "maxLength": 100, "needed": True},
        status={"type": "string", "enum": ["draft", "live"]},
        words={"type": "array", "items": {"type": "string"}, "maxItems": 10},
        size={"type": "integer", "nullable": True},
    )
    author = _schema(data={**_identifier("profile"), "needed": True})
    return {
        "openapi": "3.0.2",
        "info": {"title": "Notes", "version": OLD},
        "paths": {
            "/api/notes": {
                "get": _operation(
                    "get_notes",
                    parameters=[
                        _query("filter", type="string"),
                        _query("sort", type="string", enum=["created", "-created"]),
                        _query("include", type="array", items={"type": "string", "enum": ["author", "tags"]}) | {"explode": False},
                        _query("fields[note]", type="array", items={"type": "string", "enum": ["title", "size"]}) | {"explode": False},
                        _query("page[size]", type="integer", default=20, minimum=1, maximum=100),
                        _query("page[cursor]", type="string"),
                        _query("language", type="string", enum=["de", "en"]),
                    ],
                    responses={"200": _json(_ref("GetNoteResponseCollection"))},
                    **{"x-klaviyo-filters": {"title": {"operators": {"single": ["equals", "contains"]}, "value": {"type": "string"}},
                                                   "kind": {"operators": {"list": ["equals"]}, "value": {"type": "string", "enum": ["a", "b"]}}}},
                ),
                "post": _operation(
                    "create_note",
                    requestBody={"required": True, **_json(_ref("NoteCreateQuery"))},
                    responses={"201": _json(_ref("PostNoteResponse"))},
                    **{"x-klaviyo-scopes": ["notes:write"], "x-klaviyo-operation-aliases": ["write_note"]},
                ),
            },
            "/api/notes/{id}": {
                "delete": _operation(
                    "delete_note",
                    parameters=[{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    responses={"204": {"description": ""}},
                )
            },
        },
        "components": {
            "schemas": {
                "GetNoteResponseCollection": _schema(data={"type": "array", "items": _ref("NoteResponseObject"), "needed": True}),
                "PostNoteResponse": _schema(data={**_ref("NoteResponseObject"), "needed": True}),
                "NoteResponseObject": _resource("note", attributes),
                "NoteCreateQuery": _schema(data={**_ref("NoteCreateQueryResourceObject"), "needed": True}),
                "NoteCreateQueryResourceObject": _schema(
                    type={**_ref("NoteEnum"), "needed": True},
                    attributes={**query, "needed": True},
                    relationships=_schema(author=author),
                ),
                "NoteEnum": {"type": "string", "enum": ["note"]},
                "Place": _schema(city={"type": "string", "needed": True}, zip={"type": "string"}),
                "Circle": _schema(kind={"type": "string", "enum": ["circle"], "needed": True}, radius={"type": "number"}),
                "Square": _schema(kind={"type": "string", "enum": ["square"], "needed": True}, side={"type": "number"}),
            }
        },
    }  # fmt: skip


class Notes:
    """The small API, with short ways to its parts."""

    def __init__(self) -> None:
        self.document = _notes()

    @property
    def paths(self) -> dict[str, Any]:
        return self.document["paths"]

    @property
    def get(self) -> dict[str, Any]:
        return self.paths["/api/notes"]["get"]

    @property
    def post(self) -> dict[str, Any]:
        return self.paths["/api/notes"]["post"]

    @property
    def delete(self) -> dict[str, Any]:
        return self.paths["/api/notes/{id}"]["delete"]

    @property
    def schemas(self) -> dict[str, Any]:
        return self.document["components"]["schemas"]

    @property
    def read(self) -> dict[str, Any]:
        """The attributes of a note that is read."""
        return self.schemas["NoteResponseObject"]["properties"]["attributes"]

    @property
    def sent(self) -> dict[str, Any]:
        """The attributes of a note that is created."""
        return self.schemas["NoteCreateQueryResourceObject"]["properties"]["attributes"]

    def parameter(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.get["parameters"] if each["name"] == name)
        return found


@pytest.fixture
def change(tmp_path: Path) -> Any:
    """The difference that an edit of the small API makes."""
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "overrides.toml").write_text(OVERRIDES, encoding="utf-8")

    def run(edit: Callable[[Notes], object], base: Callable[[Notes], object] | None = None) -> Diff:
        before, after = Notes(), Notes()
        if base is not None:
            base(before)
            base(after)
        edit(after)
        for revision, notes in ((OLD, before), (NEW, after)):
            document = copy.deepcopy(notes.document)
            document["info"]["version"] = revision
            (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
            import_documents(tmp_path / "a.json", revision, specs)
        return compare(specs, OLD, NEW)

    return run


def _put(where: dict[str, Any], **values: Any) -> None:
    where.update(values)


def _property(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"][name]
    return found


FUNCTIONS: dict[str, tuple[Any, list[str]]] = {
    "summary": (lambda n: _put(n.get, summary="Read Notes"), ["get_notes: summary: Get Notes → Read Notes"]),
    "tag": (
        lambda n: [_put(each, tags=["Papers"]) for each in (n.get, n.post, n.delete)],
        [
            "! create_note: moved from `klaviyo.notes` to `klaviyo.papers`",
            "! delete_note: moved from `klaviyo.notes` to `klaviyo.papers`",
            "! get_notes: moved from `klaviyo.notes` to `klaviyo.papers`",
        ],
    ),
    "deprecated": (lambda n: _put(n.get, deprecated=True), ["get_notes: deprecated by Klaviyo"]),
    "scope": (
        lambda n: _put(n.get, **{"x-klaviyo-scopes": ["notes:read", "tags:read"]}),
        ["? get_notes: needs the scope `tags:read`"],
    ),
    "fewer scopes": (
        lambda n: _put(n.get, **{"x-klaviyo-scopes": []}),
        ["get_notes: no longer needs the scope `notes:read`"],
    ),
    "limits shrink": (
        lambda n: _put(n.get, **{"x-klaviyo-ratelimit": {"burst": "3/s", "steady": "60/m", "daily": "9/d"}}),
        [
            "? get_notes: burst limit: 10/s → 3/s ▼",
            "? get_notes: steady limit: 150/m → 60/m ▼",
            "? get_notes: daily limit: none → 9/d ▼",
        ],
    ),
    "limits grow": (
        lambda n: _put(n.get, **{"x-klaviyo-ratelimit": {"burst": "75/s", "steady": "750/m"}}),
        ["get_notes: burst limit: 10/s → 75/s", "get_notes: steady limit: 150/m → 750/m"],
    ),
    "limit of a parameter": (
        lambda n: _put(
            n.get,
            **{
                "x-parameter-limits": [
                    {"parameter": "include", "value": "tags", "resource": "note", "burst": "1/s", "steady": "15/m"}
                ]
            },
        ),
        ["? get_notes: limit with `include=tags`: none → 1/s, 15/m ▼"],
    ),
    "only a slash": (
        lambda n: n.paths.update({"/api/notes/": n.paths.pop("/api/notes")}),
        [
            "create_note: calls `POST /api/notes/`, was `POST /api/notes` (only the final slash)",
            "get_notes: calls `GET /api/notes/`, was `GET /api/notes` (only the final slash)",
        ],
    ),
    "renamed and with a slash": (
        lambda n: (
            n.paths.update({"/api/notes/{id}/": n.paths.pop("/api/notes/{id}")}),
            _put(n.paths["/api/notes/{id}/"]["delete"], operationId="remove_note"),
        ),
        [
            "! delete_note: is now `remove_note`",
            "remove_note: calls `DELETE /api/notes/{id}/`, was `DELETE /api/notes/{id}` (only the final slash)",
        ],
    ),
    "moved": (
        lambda n: n.paths.update({"/api/memos": n.paths.pop("/api/notes")}),
        [
            "create_note: calls `POST /api/memos`, was `POST /api/notes`",
            "get_notes: calls `GET /api/memos`, was `GET /api/notes`",
        ],
    ),
    "removed": (lambda n: n.paths.pop("/api/notes/{id}"), ["! delete_note: removed (`DELETE /api/notes/{id}`)"]),
    "added": (
        lambda n: n.paths.update(
            {
                "/api/notes/{id}/done": {
                    "post": _operation(
                        "finish_note", parameters=n.delete["parameters"], responses={"204": {"description": ""}}
                    )
                }
            }
        ),
        ["finish_note: `POST /api/notes/{id}/done` (notes; notes:read; 10/s, 150/m; not safe to repeat)"],
    ),
    "renamed": (lambda n: _put(n.delete, operationId="remove_note"), ["! delete_note: is now `remove_note`"]),
    "renamed, the old name kept": (
        lambda n: _put(n.delete, operationId="remove_note", **{"x-klaviyo-operation-aliases": ["delete_note"]}),
        ["delete_note: is now `remove_note`; the old name still works"],
    ),
    "renamed with filters": (
        lambda n: _put(
            n.get,
            operationId="list_notes",
            **{"x-klaviyo-operation-aliases": ["get_notes"]},
        ),
        [
            "! get_notes: is now `list_notes`; the old name still works, but the class of its filters is `ListNotes`",
            "! api.types.GetNotesFields: removed",
            "! api.types.GetNotesInclude: removed",
            "! api.types.GetNotesLanguage: removed",
            "! api.types.GetNotesNoteField: removed",
            "! api.types.GetNotesSort: removed",
            "api.types.ListNotesFields: added",
            "api.types.ListNotesInclude: added",
            "api.types.ListNotesLanguage: added",
            "api.types.ListNotesNoteField: added",
            "api.types.ListNotesSort: added",
        ],
    ),
    "taken over by another": (
        lambda n: (
            n.paths.update({"/api/papers/{id}": n.paths.pop("/api/notes/{id}")}),
            _put(
                n.paths["/api/papers/{id}"]["delete"],
                operationId="delete_paper",
                **{"x-klaviyo-operation-aliases": ["delete_note"]},
            ),
        ),
        [
            "? delete_note: is now another name of `delete_paper`, which calls `DELETE /api/papers/{id}`",
            "delete_paper: calls `DELETE /api/papers/{id}`, was `DELETE /api/notes/{id}`",
        ],
    ),
    "alias": (
        lambda n: _put(n.delete, **{"x-klaviyo-operation-aliases": ["drop_note"]}),
        ["drop_note: is another name of `delete_note`"],
    ),
    "alias removed": (
        lambda n: n.post.pop("x-klaviyo-operation-aliases"),
        ["! write_note: removed; it was another name of `create_note`"],
    ),
    "alias moved": (
        lambda n: (
            n.post.pop("x-klaviyo-operation-aliases"),
            _put(n.delete, **{"x-klaviyo-operation-aliases": ["write_note"]}),
        ),
        ["! write_note: is another name of `delete_note` now, and was of `create_note`"],
    ),
    "alias of its own": (
        lambda n: n.paths.update(
            {
                "/api/notes/{id}/text": {
                    "post": _operation(
                        "write_note", parameters=n.delete["parameters"], responses={"204": {"description": ""}}
                    )
                }
            }
        ),
        [
            "write_note: `POST /api/notes/{id}/text` (notes; notes:read; 10/s, 150/m; not safe to repeat)",
            "! write_note: was another name of `create_note` and is now a separate function: `POST /api/notes/{id}/text`",
        ],
    ),
    "client-side": (
        lambda n: _put(n.get, security=[]),
        ["? get_notes: client-side now: it sends `company_id` and no key"],
    ),
    "caps": (lambda n: _put(n.post, **{"x-caps": {"rows": 10}}), ["! create_note: cap on rows: none → 10 ▼"]),
    "safe to repeat": (
        lambda n: _put(n.delete, **{"x-safe-to-repeat": True}),
        ["delete_note: safe to repeat: failures are retried"],
    ),
    "extension": (
        lambda n: _put(n.get, **{"x-klaviyo-new": {"a": 1}}),
        ['get_notes: extension `x-klaviyo-new` added: {"a": 1}'],
    ),
    # arguments
    "parameter removed": (
        lambda n: n.get["parameters"].pop(),
        ["! get_notes: argument `language` removed", "! api.types.GetNotesLanguage: removed"],
    ),
    "parameter added": (
        lambda n: n.get["parameters"].append(_query("shelf", type="string")),
        ["get_notes: argument `shelf` added"],
    ),
    "required parameter": (
        lambda n: n.get["parameters"].append(_query("shelf", required=True, type="string")),
        ["! get_notes: required argument `shelf` added"],
    ),
    "now required": (
        lambda n: _put(n.parameter("language"), required=True),
        ["! get_notes: argument `language` is required"],
    ),
    "values narrowed": (
        lambda n: _put(n.parameter("language")["schema"], enum=["de"]),
        ["! get_notes: argument `language` takes `de`, `en` → `de`"],
    ),
    "values widened": (
        lambda n: _put(n.parameter("language")["schema"], enum=["de", "en", "fr"]),
        ["get_notes: argument `language` takes `de`, `en` → `de`, `en`, `fr`"],
    ),
    "parameter's type": (
        lambda n: _put(n.parameter("language"), schema={"type": "integer"}),
        [
            "! get_notes: argument `language` takes integer, was string",
            "get_notes: argument `language` takes `de`, `en` → any value",
            "! api.types.GetNotesLanguage: removed",
        ],
    ),
    "parameter's bound": (
        lambda n: _put(n.parameter("filter")["schema"], maxLength=50),
        ["! get_notes: parameter `filter`: `maxLength` none → 50"],
    ),
    "parameter's place": (
        lambda n: _put(n.parameter("language"), **{"in": "header"}),
        ["get_notes: argument `language` goes into header `language`, was query `language`"],
    ),
    "style": (
        lambda n: _put(n.parameter("include"), explode=True),
        ["? get_notes: parameter `include`: `explode` false → true"],
    ),
    "sort": (
        lambda n: _put(n.parameter("sort")["schema"], enum=["created", "title"]),
        ["! get_notes: `sort` no longer takes `-created`, now `title`"],
    ),
    "include": (
        lambda n: _put(n.parameter("include")["schema"]["items"], enum=["author"]),
        ["! get_notes: `include` no longer takes `tags`"],
    ),
    "include more": (
        lambda n: _put(n.parameter("include")["schema"]["items"], enum=["author", "tags", "place"]),
        ["get_notes: `include` also takes `place`"],
    ),
    "fieldset": (
        lambda n: _put(n.parameter("fields[note]")["schema"]["items"], enum=["title", "status"]),
        ["! get_notes: `fields` of `note`: no longer `size`, now `status`"],
    ),
    "fieldset of a type": (
        lambda n: _put(n.parameter("fields[note]"), name="fields[paper]"),
        [
            "! get_notes: `fields` no longer takes the type `note`",
            "get_notes: `fields` also takes the type `paper`",
            "! api.types.GetNotesNoteField: removed",
            "api.types.GetNotesPaperField: added",
        ],
    ),
    "page size": (
        lambda n: _put(n.parameter("page[size]")["schema"], maximum=50, default=10),
        ["! get_notes: maximum page size: 100 → 50 ▼", "get_notes: default page size: 20 → 10"],
    ),
    "larger pages": (
        lambda n: _put(n.parameter("page[size]")["schema"], maximum=500),
        ["get_notes: maximum page size: 100 → 500"],
    ),
    "no page size": (
        lambda n: n.get["parameters"].remove(n.parameter("page[size]")),
        ["! get_notes: argument `page_size` removed"],
    ),
    "filter operator": (
        lambda n: _put(n.get["x-klaviyo-filters"]["title"]["operators"], single=["equals", "any"]),
        ["! get_notes: filter field `title`: now also `any`, no longer `contains`"],
    ),
    "filter fields": (
        lambda n: _put(
            n.get,
            **{
                "x-klaviyo-filters": {
                    "size": {"operators": {"none": ["has"], "list": ["any"]}, "value": {"type": "integer"}}
                }
            },
        ),
        [
            "! get_notes: filter field `title` removed",
            "! get_notes: filter field `kind` removed",
            "get_notes: filter field `size` added: any, has",
        ],
    ),
    "filter value": (
        lambda n: _put(n.get["x-klaviyo-filters"]["title"], value={"type": "integer"}),
        ["! get_notes: filter field `title`: takes integer, was string"],
    ),
    "filter values": (
        lambda n: _put(n.get["x-klaviyo-filters"]["title"], value={"type": "string", "enum": ["a"]}),
        ["? get_notes: filter field `title`: values any value → `a`"],
    ),
    "filter values narrowed": (
        lambda n: _put(n.get["x-klaviyo-filters"]["kind"], value={"type": "string", "enum": ["a"]}),
        ["! get_notes: filter field `kind`: values `a`, `b` → `a`"],
    ),
    "one value where a list was": (
        lambda n: _put(n.get["x-klaviyo-filters"]["kind"], operators={"single": ["equals"]}),
        ["! get_notes: filter field `kind`: no longer `equals (list)`"],
    ),
    "a list where one value was": (
        lambda n: _put(n.get["x-klaviyo-filters"]["title"], operators={"single": ["contains"], "list": ["equals"]}),
        ["get_notes: filter field `title`: now also `equals (list)`"],
    ),
    "filter required": (
        lambda n: _put(n.get, **{"x-filter-requires": ["title"]}),
        ["! get_notes: a filter must name one of `title`"],
    ),
    "no filters": (
        lambda n: (n.get.pop("x-klaviyo-filters"), n.get["parameters"].pop(0)),
        ["! get_notes: no longer filters; `title`, `kind` did", "! get_notes: argument `filter` removed"],
    ),
    "no answer": (
        lambda n: _put(n.post, responses={"204": {"description": ""}}),
        [
            "! create_note: returns None, was `PostNoteResponse`",
            "create_note: success: 201 application/vnd.api+json → 204 nothing",
            "! models.PostNoteResponse: removed",
        ],
    ),
    "another success": (
        lambda n: n.post["responses"].update({"202": n.post["responses"].pop("201")}),
        ["create_note: success: 201 application/vnd.api+json → 202 application/vnd.api+json"],
    ),
    "body gone": (
        lambda n: n.post.pop("requestBody"),
        [
            "! create_note: argument `body` removed",
            "! create_note: argument `title` removed",
            "! create_note: argument `status` removed",
            "! create_note: argument `words` removed",
            "! create_note: argument `size` removed",
            "! create_note: argument `author` removed",
            "! models.NoteCreateQuery: removed",
            "! models.NoteCreateQueryAttributes: removed",
            "! models.NoteCreateQueryRelationships: removed",
            "! models.NoteCreateQueryResourceObject: removed",
            "! resources.ProfileIdentifier: removed",
            "! resources.ProfileToOne: removed",
            "! models.NoteEnum: removed; it listed `note`",
        ],
    ),
    "path argument": (
        lambda n: (
            n.paths.update({"/api/notes/{key}": n.paths.pop("/api/notes/{id}")}),
            _put(n.paths["/api/notes/{key}"]["delete"]["parameters"][0], name="key"),
        ),
        [
            "delete_note: calls `DELETE /api/notes/{key}`, was `DELETE /api/notes/{id}`",
            "! delete_note: argument `id` removed; `key` is in its place",
        ],
    ),
}

SENT: dict[str, tuple[Any, list[str]]] = {
    "added": (
        lambda n: _put(n.sent["properties"], colour={"type": "string"}),
        ["models.NoteCreateQueryAttributes.colour: added (text)"],
    ),
    "required added": (
        lambda n: (_put(n.sent["properties"], colour={"type": "string"}), n.sent["required"].append("colour")),
        ["! models.NoteCreateQueryAttributes.colour: added (required, text)"],
    ),
    "removed": (
        lambda n: n.sent["properties"].pop("size"),
        ["! models.NoteCreateQueryAttributes.size: removed (integer)"],
    ),
    "now required": (
        lambda n: n.sent["required"].append("status"),
        ["! models.NoteCreateQueryAttributes.status: is required"],
    ),
    "no longer required": (
        lambda n: n.sent.pop("required"),
        ["models.NoteCreateQueryAttributes.title: is no longer required"],
    ),
    "type": (
        lambda n: _put(_property(n.sent, "size"), type="boolean"),
        ["! models.NoteCreateQueryAttributes.size: integer → boolean"],
    ),
    "wider": (
        lambda n: n.sent["properties"].update(title={"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        [
            "models.NoteCreateQueryAttributes.title: now also integer",
            "models.NoteCreateQueryAttributes.title: `maxLength` 100 → none",
        ],
    ),
    "narrower": (
        lambda n: _put(_property(n.sent, "words"), items={"type": "integer"}),
        ["! models.NoteCreateQueryAttributes.words: each item: text → integer"],
    ),
    "no null": (
        lambda n: _property(n.sent, "size").pop("nullable"),
        ["! models.NoteCreateQueryAttributes.size: is no longer cleared by null"],
    ),
    "null": (
        lambda n: _put(_property(n.sent, "status"), nullable=True),
        ["models.NoteCreateQueryAttributes.status: may be null"],
    ),
    "values narrowed": (
        lambda n: _put(_property(n.sent, "status"), enum=["draft"]),
        ["! models.NoteCreateQueryAttributes.status: no longer `live`"],
    ),
    "values widened": (
        lambda n: _put(_property(n.sent, "status"), enum=["draft", "live", "dead"]),
        ["models.NoteCreateQueryAttributes.status: now also `dead`"],
    ),
    "values listed": (
        lambda n: _put(_property(n.sent, "title"), enum=["a", "b"]),
        ["! models.NoteCreateQueryAttributes.title: only `a`, `b`, any value before"],
    ),
    "values no longer listed": (
        lambda n: _property(n.sent, "status").pop("enum"),
        ["models.NoteCreateQueryAttributes.status: any value, only `draft`, `live` before"],
    ),
    "maxLength": (
        lambda n: _put(_property(n.sent, "title"), maxLength=50),
        ["! models.NoteCreateQueryAttributes.title: `maxLength` 100 → 50 ▼"],
    ),
    "maxLength grows": (
        lambda n: _put(_property(n.sent, "title"), maxLength=200),
        ["models.NoteCreateQueryAttributes.title: `maxLength` 100 → 200"],
    ),
    "maxLength gone": (
        lambda n: _property(n.sent, "title").pop("maxLength"),
        ["models.NoteCreateQueryAttributes.title: `maxLength` 100 → none"],
    ),
    "maxItems": (
        lambda n: _put(_property(n.sent, "words"), maxItems=5),
        ["! models.NoteCreateQueryAttributes.words: `maxItems` 10 → 5 ▼"],
    ),
    "of items": (
        lambda n: _put(_property(n.sent, "words")["items"], maxLength=5),
        ["! models.NoteCreateQueryAttributes.words: each item's `maxLength` none → 5 ▼"],
    ),
    "minimum": (
        lambda n: _put(_property(n.sent, "size"), minimum=1),
        ["! models.NoteCreateQueryAttributes.size: `minimum` none → 1"],
    ),
    "pattern": (
        lambda n: _put(_property(n.sent, "title"), pattern="^a"),
        ["! models.NoteCreateQueryAttributes.title: `pattern` none → ^a"],
    ),
    "default": (
        lambda n: _put(_property(n.sent, "status"), default="draft"),
        ["models.NoteCreateQueryAttributes.status: `default` none → draft"],
    ),
    "extension": (
        lambda n: _put(_property(n.sent, "title"), **{"x-klaviyo-new": 1}),
        ["models.NoteCreateQueryAttributes.title: `x-klaviyo-new` none → 1"],
    ),
    "unknown key": (
        lambda n: _put(_property(n.sent, "size"), multipleOf=2),
        ["! models.NoteCreateQueryAttributes.size: `multipleOf` none → 2"],
    ),
    "closed": (
        lambda n: _put(n.sent, additionalProperties=False),
        ["! models.NoteCreateQueryAttributes: `additionalProperties` none → false"],
    ),
    "relationship": (
        lambda n: n.schemas["NoteCreateQueryResourceObject"]["properties"]["relationships"]["properties"].update(
            tags=_schema(data={"type": "array", "items": _identifier("tag"), "needed": True})
        ),
        [
            "models.NoteCreateQueryRelationships.tags: added (`TagToMany`)",
            "resources.TagIdentifier: added",
            "resources.TagToMany: added",
        ],
    ),
}

RECEIVED: dict[str, tuple[Any, list[str]]] = {
    "added": (
        lambda n: (_put(n.read["properties"], colour={"type": "string"}), n.read["required"].append("colour")),
        ["resources.NoteAttributes.colour: added (text)"],
    ),
    "removed": (
        lambda n: (n.read["properties"].pop("size"), n.read["required"].remove("size")),
        ["! resources.NoteAttributes.size: removed (integer)"],
    ),
    "null": (
        lambda n: _put(_property(n.read, "title"), nullable=True),
        ["? resources.NoteAttributes.title: may be null, and reads as None then"],
    ),
    "no null": (
        lambda n: _property(n.read, "size").pop("nullable"),
        ["resources.NoteAttributes.size: is always present and never null"],
    ),
    "may be missing": (
        lambda n: n.read["required"].remove("title"),
        ["? resources.NoteAttributes.title: may be missing, and reads as None then"],
    ),
    "type": (
        lambda n: _put(_property(n.read, "title"), type="integer"),
        ["! resources.NoteAttributes.title: text → integer"],
    ),
    "wider": (
        lambda n: n.read["properties"].update(title={"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        ["? resources.NoteAttributes.title: now also integer"],
    ),
    "member": (
        lambda n: _property(n.read, "shape")["oneOf"].append(_ref("Place")),
        ["? resources.NoteAttributes.shape: now also `Place`"],
    ),
    "member gone": (
        lambda n: _property(n.read, "shape")["oneOf"].pop(),
        ["resources.NoteAttributes.shape: no longer `Square`", "! models.Square: removed"],
    ),
    "items": (
        lambda n: _put(_property(n.read, "words")["items"], nullable=True),
        ["? resources.NoteAttributes.words: each item: may be null"],
    ),
    "values added": (
        lambda n: _put(_property(n.read, "status"), enum=["draft", "live", "dead"]),
        ["resources.NoteAttributes.status: now also `dead`"],
    ),
    "values gone": (
        lambda n: _put(_property(n.read, "status"), enum=["draft"]),
        ["resources.NoteAttributes.status: no longer `live`"],
    ),
    "other values": (
        lambda n: _put(_property(n.read, "status"), enum=["on", "off"]),
        ["! resources.NoteAttributes.status: no longer `draft`, `live`, now `off`, `on`"],
    ),
    "maxLength": (
        lambda n: _put(_property(n.read, "title"), maxLength=50),
        ["resources.NoteAttributes.title: `maxLength` none → 50"],
    ),
    "format": (
        lambda n: _put(_property(n.read, "title"), format="date-time"),
        ["! resources.NoteAttributes.title: text → datetime"],
    ),
    "closed": (
        lambda n: _put(n.read, additionalProperties=False),
        ["resources.NoteAttributes: `additionalProperties` none → false"],
    ),
    "open": (
        lambda n: _put(n.read, additionalProperties=True),
        ["resources.NoteAttributes: `additionalProperties` none → true"],
    ),
    "discriminator": (
        lambda n: _put(_property(n.read, "shape"), discriminator={"propertyName": "kind"}),
        ['? resources.NoteAttributes.shape: `discriminator` none → {"propertyName": "kind"}'],
    ),
    "an object with properties": (
        lambda n: _put(_property(n.read, "extra"), properties={"a": {"type": "string"}}),
        ["! resources.NoteAttributes.extra: mapping → `NoteExtra`", "resources.NoteExtra: added"],
    ),
    "nested": (
        lambda n: n.schemas["Place"]["properties"].update(country={"type": "string"}),
        ["models.Place.country: added (text)"],
    ),
    "of one function only": (
        lambda n: (
            n.schemas.update(Other=copy.deepcopy(n.schemas["NoteResponseObject"])),
            n.schemas["Other"]["properties"]["attributes"]["properties"].pop("words"),
            n.schemas["Other"]["properties"]["attributes"]["required"].remove("words"),
            n.schemas["PostNoteResponse"]["properties"].update(data=_ref("Other")),
        ),
        [
            "? resources.NoteAttributes.words: may be missing, and reads as None then",
            "? resources.NoteAttributes.words: no longer returned by `create_note`: reads as None there",
            "models.Other: is another name of `resources.Note`",
        ],
    ),
}

NAMES: dict[str, tuple[Any, list[str]]] = {
    "schema renamed": (
        lambda n: (
            n.schemas.update(NewQuery=n.schemas.pop("NoteCreateQuery")),
            _put(n.post, requestBody={"required": True, **_json(_ref("NewQuery"))}),
        ),
        ["! models.NoteCreateQuery: is now `models.NewQuery`"],
    ),
    "schema of a resource renamed": (
        lambda n: (
            n.schemas.update(Other=n.schemas.pop("NoteResponseObject")),
            n.schemas["PostNoteResponse"]["properties"].update(data=_ref("Other")),
            n.schemas["GetNoteResponseCollection"]["properties"]["data"].update(items=_ref("Other")),
        ),
        [
            "! models.NoteResponseObject: removed; use `resources.Note`, whose other name it was",
            "models.Other: is another name of `resources.Note`",
        ],
    ),
    "enum gone": (
        lambda n: (
            n.schemas.pop("NoteEnum"),
            n.schemas["NoteCreateQueryResourceObject"]["properties"].update(type={"type": "string", "enum": ["note"]}),
        ),
        ["! models.NoteEnum: removed; it listed `note`"],
    ),
    "enum": (
        lambda n: n.schemas["NoteEnum"].update(enum=["note", "memo"]),
        [
            "! create_note: the body is JSON, without keywords, was one resource, also by keywords",
            "! create_note: argument `title` removed",
            "! create_note: argument `status` removed",
            "! create_note: argument `words` removed",
            "! create_note: argument `size` removed",
            "! create_note: argument `author` removed",
            "models.NoteCreateQueryResourceObject.type: now also `memo`",
            "models.NoteEnum: now also `memo`",
        ],
    ),
}

NOTHING: dict[str, Any] = {
    "an allOf of one": lambda n: n.read["properties"].update(place={"allOf": [_ref("Place")]}),
    "descriptions and examples": lambda n: _put(_property(n.read, "title"), description="new", example="new"),
    "another order": lambda n: _put(n.read, properties=dict(reversed(n.read["properties"].items()))),
    "allOf taken apart": lambda n: _put(
        n.schemas,
        Place={"allOf": [_schema(city={"type": "string", "needed": True}), _schema(zip={"type": "string"})]},
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_changes_of_functions(case: str, change: Any) -> None:
    edit, expected = FUNCTIONS[case]
    assert told(change(edit)) == expected


@pytest.mark.parametrize("case", SENT)
def test_changes_of_what_is_sent(case: str, change: Any) -> None:
    edit, expected = SENT[case]
    assert told(change(edit)) == expected


@pytest.mark.parametrize("case", RECEIVED)
def test_changes_of_what_is_received(case: str, change: Any) -> None:
    edit, expected = RECEIVED[case]
    assert told(change(edit)) == expected


@pytest.mark.parametrize("case", NAMES)
def test_changes_of_names(case: str, change: Any) -> None:
    edit, expected = NAMES[case]
    assert told(change(edit)) == expected


@pytest.mark.parametrize("case", NOTHING)
def test_another_way_to_say_the_same_is_no_change(case: str, change: Any) -> None:
    diff = change(NOTHING[case])
    assert told(diff) == []
    assert not diff


def test_every_field_of_the_operation_table_has_its_place() -> None:
    """So that a fact that comes into the table comes into the diff."""
    assert {each.name for each in fields(Operation)} <= functions.ASPECTS.keys()


def test_a_field_of_the_operation_table_without_a_place_is_told_all_the_same(
    change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(functions.ASPECTS, "deprecated")
    assert told(change(lambda n: _put(n.get, deprecated=True))) == ["get_notes: `deprecated`: false → true"]


def test_a_keyword_is_told_once_and_as_the_argument_that_it_is(change: Any) -> None:
    diff = change(lambda n: n.sent["properties"].pop("size"))
    (removed,) = diff.changes
    assert removed.arguments == ("create_note(size)",)
    assert set(removed.names) == {"models.NoteCreateQueryAttributes.size", "api.notes.create_note(size)"}
    assert "- `create_note(size=)`: removed (integer)" in _markdown(diff)


# --- what is told to whom


def _markdown(diff: Diff, **more: Any) -> str:
    return report.as_markdown(diff, version.propose(diff), version.entry(diff), **more)


def test_the_important_comes_first(change: Any) -> None:
    def edit(notes: Notes) -> None:
        _put(_property(notes.read, "title"), nullable=True)
        _put(notes.read["properties"], colour={"type": "string"})
        _put(_property(notes.sent, "title"), maxLength=50)

    text = _markdown(change(edit))
    assert text.startswith(f"# Klaviyo {OLD} → {NEW}\n")
    assert "**Changes: 1 breaking, 1 possibly breaking, 1 compatible.**" in text
    lines = [line for line in text.splitlines() if line.startswith(("##", "- `"))]
    assert lines[:7] == [
        "## Breaking",
        "### Fields",
        "- `create_note(title=)`: `maxLength` 100 → 50 ▼ a limit shrinks",
        "## Possibly breaking",
        "### Fields",
        "- `NoteAttributes.title`: may be null, and reads as None then (`create_note`, `get_notes`)",
        "## Compatible",
    ]
    assert lines[-3:] == ["## Version", "## For the changelog", f"### Klaviyo revision {NEW}, before {OLD}"]


def test_hundreds_of_like_changes_are_one_line(change: Any) -> None:
    def schemas(notes: Notes) -> None:
        for index in range(200):
            notes.schemas[f"Thing{index}"] = _schema(a={"type": "string"})
        things = {f"a{index}": _ref(f"Thing{index}") for index in range(200)}
        notes.schemas["Place"]["properties"].update(things)

    def edit(notes: Notes) -> None:
        for index in range(200):
            notes.schemas[f"Thing{index}"]["properties"]["meta"] = {"type": "string"}

    text = _markdown(change(edit, base=schemas))
    (line,) = [line for line in text.splitlines() if "meta" in line and "`Thing199.meta`" not in line]
    assert line == "- `meta` in 200 classes: added (text) — `Thing0`, `Thing1`, `Thing10` and 197 more"
    assert text.count("`Thing150.meta`") == 1  # folded, but there


def test_a_report_of_limited_length_keeps_the_important_and_the_end(change: Any) -> None:
    def edit(notes: Notes) -> None:
        _put(_property(notes.sent, "title"), maxLength=50)
        for index in range(400):
            notes.read["properties"][f"attribute_with_a_long_name_{index}"] = {"type": ["string", "integer"][index % 2]}

    diff = change(edit)
    whole, short = _markdown(diff), _markdown(diff, limit=3000)
    assert len(short) <= 3000 < len(whole)
    assert "`maxLength` 100 → 50" in short
    assert "## For the changelog" in short
    assert f"python -m codegen diff {OLD} {NEW}" in short


def test_the_report_for_machines(change: Any) -> None:
    diff = change(lambda n: n.paths.pop("/api/notes/{id}"))
    data = json.loads(report.as_json(diff, version.propose(diff), version.entry(diff)))
    assert data["rating"] == "breaking"
    assert data["totals"] == {"breaking": 1, "possibly breaking": 0, "compatible": 0}
    assert data["counts"]["functions"] == {"old": 3, "new": 2}
    assert data["gone"] == ["api.notes.delete_note", "operations[delete_note]"]
    assert data["changes"][0] == {
        "kind": "function-removed",
        "rating": "breaking",
        "subject": "delete_note",
        "text": "removed (`DELETE /api/notes/{id}`)",
        "functions": ["delete_note"],
        "arguments": [],
        "names": ["api.notes.delete_note", "operations[delete_note]"],
        "shrinks": False,
    }


def test_no_difference(change: Any) -> None:
    diff = change(lambda _: None)
    assert not diff
    assert _markdown(diff).strip().endswith("No difference.")
    assert json.loads(report.as_json(diff, version.propose(diff), version.entry(diff)))["rating"] == "same"


def test_what_is_neither_a_revision_nor_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match=r"2020-01-01: neither a revision of the specs .none. nor a folder"):
        compare(tmp_path, "2020-01-01", NEW)
    with pytest.raises(CodegenError, match="elsewhere: neither"):
        compare(tmp_path, "elsewhere", NEW)


# --- versions and the changelog


def _project(folder: Path, current: str, changelog: str) -> Path:
    (folder / "klaviyo_async").mkdir()
    (folder / "klaviyo_async" / "_version.py").write_text(f'"""V."""\n\n__version__ = "{current}"\n', encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return folder


def _diff(*ratings: Rating, old: str = OLD, kind: str = "include") -> Diff:
    return Diff(old, NEW, [Change(kind, rating, "f", f"text {index}") for index, rating in enumerate(ratings)], {})


BREAKING, POSSIBLY, COMPATIBLE = Rating.BREAKING, Rating.POSSIBLY, Rating.COMPATIBLE
VERSIONS = {
    # released, unreleased on top, difference → the version
    "0.x breaking": ("0.2.3", None, _diff(BREAKING, old=NEW), "0.3.0"),
    "0.x possibly": ("0.2.3", None, _diff(POSSIBLY, old=NEW), "0.3.0"),
    "0.x compatible": ("0.2.3", None, _diff(COMPATIBLE, old=NEW, kind="field-added"), "0.2.4"),
    "0.x another revision": ("0.2.3", None, _diff(COMPATIBLE), "0.3.0"),
    "1.x breaking": ("1.2.3", None, _diff(BREAKING, old=NEW), "2.0.0"),
    "1.x possibly": ("1.2.3", None, _diff(POSSIBLY, old=NEW), "1.3.0"),
    "1.x added": ("1.2.3", None, _diff(COMPATIBLE, old=NEW, kind="field-added"), "1.3.0"),
    "1.x another revision": ("1.2.3", None, _diff(COMPATIBLE), "1.3.0"),
    "1.x nothing new": ("1.2.3", None, _diff(COMPATIBLE, old=NEW), "1.2.4"),
    "high enough": ("0.1.0", "0.2.0", _diff(BREAKING), "0.2.0"),
    "not high enough": ("1.1.0", "1.2.0", _diff(BREAKING), "2.0.0"),
    "nothing": ("1.1.0", "1.2.0", _diff(), "1.2.0"),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_the_proposed_version(case: str, tmp_path: Path) -> None:
    released, unreleased, diff, expected = VERSIONS[case]
    top = f"## {unreleased} (unreleased)\n\nNews.\n\n" if unreleased else ""
    project = _project(tmp_path, unreleased or released, f"# Changelog\n\n{top}## {released}\n\nFirst.\n")
    proposal = version.propose(diff, project)
    assert (proposal.version, proposal.released) == (expected, released)


def test_the_entry_goes_into_the_unreleased_section(tmp_path: Path) -> None:
    project = _project(tmp_path, "0.1.1", "# Changelog\n\n## 0.1.1 (unreleased)\n\n- A fix.\n\n## 0.1.0\n\nFirst.\n")
    diff = _diff(BREAKING)
    version.write(project, version.propose(diff, project), version.entry(diff))
    assert (project / "CHANGELOG.md").read_text("utf-8") == (
        f"# Changelog\n\n## 0.2.0 (unreleased)\n\n### Klaviyo revision {NEW}, before {OLD}\n\n"
        "- **Breaking**: `f`: text 0.\n\n- A fix.\n\n## 0.1.0\n\nFirst.\n"
    )
    assert (project / "klaviyo_async" / "_version.py").read_text("utf-8") == '"""V."""\n\n__version__ = "0.2.0"\n'


def test_a_section_is_made_where_the_last_version_is_released(tmp_path: Path) -> None:
    project = _project(tmp_path, "1.0.0", "# Changelog\n\nHow.\n\n## 1.0.0\n\nFirst.\n")
    diff = _diff(COMPATIBLE, old=NEW)
    version.write(project, version.propose(diff, project), version.entry(diff))
    assert (project / "CHANGELOG.md").read_text("utf-8") == (
        f"# Changelog\n\nHow.\n\n## 1.0.1 (unreleased)\n\n### Within revision {NEW}\n\n- 1 compatible change.\n\n"
        "## 1.0.0\n\nFirst.\n"
    )


@pytest.mark.parametrize("spoilt", ["", "__version__ = 1\n"])
def test_a_project_without_a_version_is_an_error(spoilt: str, tmp_path: Path) -> None:
    project = _project(tmp_path, "1.0.0", "# Changelog\n")
    (project / "klaviyo_async" / "_version.py").write_text(spoilt, encoding="utf-8")
    with pytest.raises(CodegenError, match=r'_version.py: expected a line like __version__ = "1.2.3"'):
        version.propose(_diff(BREAKING), project)
