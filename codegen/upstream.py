"""Upstream documents → `specs/<revision>/<operationId>.json`: `python -m codegen fetch` and `import`.

One file for each operation, with the slice of components that it refers to, so that each can be read alone and a new
revision is a readable diff. Everything a machine can use is kept; prose is dropped after `codegen.prose` has taken its
facts.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen import documents, extensions, prose
from codegen.errors import CodegenError
from codegen.shape import METHODS, SHAPE, escape, references, walk, without_prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UPSTREAM_URL = "https://raw.githubusercontent.com/klaviyo/openapi/main/openapi/"
"""Where Klaviyo publishes its documents: `stable.json`, and `beta.json` for revisions ending in `.pre`."""

_COMPONENT = re.compile(r"[A-Za-z0-9._-]{1,120}")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,59}")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~$-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}(?:\[[A-Za-z0-9_.-]{1,80}\])?")
_REVISION = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.[a-z0-9]+)?")
_REFERENCE = re.compile(r"#/components/([A-Za-z]+)/([^/]+)")

_DOCUMENT_ORDER = ("openapi", "info", "servers", "security", "tags", "paths", "components")
_OPERATION_ORDER = (
    "operationId", "summary", "deprecated", "tags", "parameters", "requestBody", "responses", "security", "servers",
)  # fmt: skip
_PARTS = {"paths", "components", "tags"}
_FETCH_LIMIT = 256 * 1024 * 1024


@frozen
class Source:
    """One document as it came: where from, and its value."""

    name: str
    document: dict[str, Any]


@define
class ImportReport:
    """What an import did and what a person should look at."""

    revision: str
    operations: int = 0
    components: int = 0
    added: list[str] = Factory(list)
    removed: list[str] = Factory(list)
    changed: list[str] = Factory(list)
    notes: list[str] = Factory(list)
    """What was skipped or looked odd, without being wrong."""
    sentences: list[prose.Sentence] = Factory(list)
    """Sentences that look like a limit and were neither understood nor knowingly ignored."""
    facts: int = 0
    ignored: int = 0

    def __str__(self) -> str:
        changes = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"
        unknown = f"{len(self.sentences)} not understood"
        lines = [
            f"specs/{self.revision}: {self.operations} operations, {self.components} components ({changes})",
            f"prose: {self.facts} facts taken, {self.ignored} sentences knowingly ignored, {unknown}",
        ]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"not understood: {sentence}" for sentence in self.sentences]
        return "\n".join(lines)


def check_revision(revision: str) -> str:
    """`revision` itself; CodegenError unless it reads YYYY-MM-DD or YYYY-MM-DD.suffix."""
    match = _REVISION.fullmatch(revision)
    if match is not None:
        try:
            dt.date.fromisoformat(match[1])
        except ValueError:
            match = None
    if match is None:
        raise CodegenError(f"{revision!r} is no revision; write YYYY-MM-DD, with .pre after it for a beta")
    return revision


def import_documents(src: Path, revision: str, specs: Path) -> ImportReport:
    """Replace `specs/<revision>` by what the documents in `src` say.

    `src` is a folder of .json and .txt files, one document (one operation or many), or a list of documents. Nothing is
    written unless all of it is good. Raises CodegenError.
    """
    check_revision(revision)
    report = ImportReport(revision)
    return import_sources(list(read_sources(src, report)), revision, specs, report)


def fetch(revision: str, specs: Path, *, base_url: str = UPSTREAM_URL, timeout: float = 60.0) -> ImportReport:
    """Download Klaviyo's bundle of that revision and import it. `timeout` is in seconds. Raises CodegenError."""
    check_revision(revision)
    url = base_url.rstrip("/") + ("/beta.json" if revision.endswith(".pre") else "/stable.json")
    if not url.startswith(("https://", "http://")):
        raise CodegenError("only https and http addresses can be fetched", file=url)
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - the scheme is checked above
            data: bytes = answer.read(_FETCH_LIMIT + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise CodegenError(f"answered {error.code} {error.reason}; is the address right (--url)?", file=url) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CodegenError(
            f"can't be downloaded: {reason}. Download it by other means and run `python -m codegen import FILE`",
            file=url,
        ) from None
    if len(data) > _FETCH_LIMIT:
        raise CodegenError(f"larger than {_FETCH_LIMIT // 1024 // 1024} MB", file=url)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodegenError("not UTF-8 text", file=url, place=f"byte {error.start}") from None
    report = ImportReport(revision)
    sources = list(_documents(documents.loads(text, url), url))
    for source in sources:
        version = (
            source.document.get("info", {}).get("version") if isinstance(source.document.get("info"), dict) else None
        )
        if version != revision:
            raise CodegenError(
                f"Klaviyo publishes revision {version} there now, not {revision}. Fetch {version}, or import a file of {revision}",
                file=url,
                place="/info/version",
            )
    return import_sources(sources, revision, specs, report)


def read_sources(src: Path, report: ImportReport) -> Iterator[Source]:
    """The documents in `src`; files that are plainly something else are noted in `report` and left out."""
    if not src.is_dir():
        if not src.exists():
            raise CodegenError("there is no such file or folder", file=src)
        yield from _documents(documents.read(src), str(src))
        return
    paths = sorted(path for path in src.iterdir() if path.suffix in {".json", ".txt"} and not path.name.startswith("."))
    if not paths:
        raise CodegenError("the folder has no .json and no .txt files", file=src)
    found = False
    for path in paths:
        text = documents.read_text(path)
        if path.suffix == ".txt" and text.lstrip()[:1] not in {"{", "["}:
            report.notes.append(f"{path.name} is text, not an OpenAPI document: skipped")
            continue
        found = True
        yield from _documents(documents.loads(text, path), str(path))
    if not found:
        raise CodegenError("the folder has no OpenAPI document", file=src)


def _documents(value: Any, name: str) -> Iterator[Source]:
    if not isinstance(value, list):
        yield Source(name, _mapping(value, name, "/"))
        return
    if not value:
        raise CodegenError("an empty list of documents", file=name)
    for index, item in enumerate(value):
        yield Source(f"{name}[{index}]", _mapping(item, name, f"/{index}"))


def import_sources(sources: Sequence[Source], revision: str, specs: Path, report: ImportReport) -> ImportReport:
    """Check, split and write `sources`; see `import_documents`."""
    rules = prose.Rules.load(specs)
    files: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    routes: dict[tuple[str, str], str] = {}
    components: dict[tuple[str, str], tuple[Any, str]] = {}
    for source in sources:
        version = _check_document(source)
        if version != revision:
            report.notes.append(f"{source.name} calls itself {version!r}, imported as {revision}")
        _check_same(source, sources[0])
        _collect_components(source, components)
        for path, method, operation in _operations(source):
            name = operation["operationId"]
            place = f"/paths/{escape(path)}/{method}"
            if name in files:
                raise CodegenError(f"{name} is already defined in {origin[name]}", file=source.name, place=place)
            route = (method, re.sub(r"\{[^}]*\}", "{}", path))
            if route in routes:
                raise CodegenError(f"{name} has the route of {routes[route]}", file=source.name, place=place)
            origin[name], routes[route] = source.name, name
            files[name] = _slice(source, path, method, operation, rules)
    _write(files, revision, specs, report)
    report.operations = len(files)
    used = {(section, key) for file in files.values() for section, part in file["components"].items() for key in part}
    report.components = sum(section == "schemas" for section, _ in used)
    unused = sorted(f"{section}/{key}" for section, key in components if (section, key) not in used)
    if unused:
        report.notes.append(f"components that no operation refers to, left out: {', '.join(unused)}")
    report.sentences = rules.unknown()
    report.facts, report.ignored = rules.facts, rules.ignored
    return report


# --- checks: nothing that goes on from here can escape its folder or its string, or leave a later step guessing


def _check_document(source: Source) -> Any:
    document, file = source.document, source.name
    version = document.get("openapi")
    if not isinstance(version, str) or re.fullmatch(r"3\.0\.\d+", version) is None:
        raise CodegenError(f"openapi is {version!r}; only 3.0.x documents can be read", file=file, place="/openapi")
    info = _mapping(document.get("info"), file, "/info")
    for section, part in _mapping(document.get("components", {}), file, "/components").items():
        for key in _mapping(part, file, f"/components/{escape(section)}"):
            if _COMPONENT.fullmatch(key) is None:
                raise CodegenError(
                    f"{key!r} is no name for a component", file=file, place=f"/components/{escape(section)}"
                )
    if not _mapping(document.get("paths"), file, "/paths"):
        raise CodegenError("the document has no operations", file=file, place="/paths")
    for place, kind, node in walk(document, "document"):
        if kind == "schema" and isinstance(node, bool) and place.endswith("/additionalProperties"):
            continue
        _check_shapes(_mapping(node, file, place or "/"), kind, file, place)
    _check_references(document, file)
    return info.get("version")


_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "document": {"security": list},
    "operation": {"tags": list, "summary": str, "parameters": list, "responses": dict, "deprecated": bool, "security": list},
    "parameter": {"name": str, "in": str, "required": bool, "explode": bool},
    "request body": {"content": dict, "required": bool},
    "response": {"content": dict},
    "tag": {"name": str},
    "schema": {
        "type": str, "format": str, "enum": list, "required": list, "properties": dict, "nullable": bool,
        "allOf": list, "oneOf": list, "anyOf": list, "minimum": (int, float), "maximum": (int, float),
    },
}  # fmt: skip


def _check_shapes(node: dict[str, Any], kind: str, file: str, place: str) -> None:
    for key, inner in SHAPE[kind].items():
        if key in node and inner[0] in "{[" and not isinstance(node[key], dict if inner[0] == "{" else list):
            text = f"{key} must be {'an object' if inner[0] == '{' else 'a list'}"
            raise CodegenError(text, file=file, place=f"{place}/{key}")
    for key, expected in _SHAPES.get(kind, {}).items():
        if key in node and not isinstance(node[key], expected):
            kinds = {str: "text", list: "a list", dict: "an object", bool: "true or false"}
            wanted = kinds.get(expected, "a number") if isinstance(expected, type) else "a number"
            raise CodegenError(f"{key} must be {wanted}", file=file, place=f"{place}/{key}")
    if kind == "schema":
        if any(not isinstance(name, str) for name in node.get("required", ())):
            raise CodegenError("required must list names", file=file, place=f"{place}/required")
        if node.get("enum") == []:
            raise CodegenError("an enum without values", file=file, place=f"{place}/enum")


def _check_references(document: dict[str, Any], file: str) -> None:
    components = document.get("components", {})
    for place, target in references(document, "document"):
        match = _REFERENCE.fullmatch(target) if isinstance(target, str) else None
        if match is None or match[2] not in components.get(match[1], {}):
            raise CodegenError(f"$ref to {target!r}, which the document doesn't have", file=file, place=place)
    # A reference that leads back to itself without an object or array between has no meaning.
    schemas = components.get("schemas", {})
    done: set[str] = set()
    for name in schemas:
        _check_cycle(name, schemas, (), done, file)


def _check_cycle(name: str, schemas: dict[str, Any], above: tuple[str, ...], done: set[str], file: str) -> None:
    if name in above:
        chain = " → ".join([*above[above.index(name) :], name])
        raise CodegenError(f"$ref that leads back to itself: {chain}", file=file, place=f"/components/schemas/{name}")
    if name in done:
        return
    if len(above) > documents.MAX_DEPTH:
        raise CodegenError("a chain of $refs without end", file=file, place=f"/components/schemas/{name}")
    for target in _direct(schemas[name]):
        match = _REFERENCE.fullmatch(target)
        if match is not None and match[1] == "schemas":
            _check_cycle(match[2], schemas, (*above, name), done, file)
    done.add(name)


def _direct(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield schema["$ref"]
        return
    for key in ("allOf", "oneOf", "anyOf"):
        for item in schema.get(key, ()):
            yield from _direct(item)
    yield from _direct(schema.get("not"))


def _operations(source: Source) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of a document, its path's own parameters and servers moved into it."""
    document, file = source.document, source.name
    for path, item in document["paths"].items():
        place = f"/paths/{escape(path)}"
        if _PATH.fullmatch(path) is None:
            raise CodegenError(f"{path!r} is no path of plain segments and {{parameters}}", file=file, place=place)
        if "$ref" in item:
            raise CodegenError("paths by reference can't be read", file=file, place=place)
        for method in METHODS:
            if method not in item:
                continue
            operation = dict(item[method])
            operation["parameters"] = _parameters(document, item, operation)
            if "servers" in item:
                operation.setdefault("servers", item["servers"])
            _check_operation(operation, path, file, f"{place}/{method}")
            yield path, method, operation


def _parameters(document: dict[str, Any], item: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
    own = [_parameter(document, parameter) for parameter in operation.get("parameters", ())]
    keys = {(parameter.get("name"), parameter.get("in")) for parameter in own}
    shared = [_parameter(document, parameter) for parameter in item.get("parameters", ())]
    return [parameter for parameter in shared if (parameter.get("name"), parameter.get("in")) not in keys] + own


def _parameter(document: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter said in full: without references, for what it takes is a fact about the operation."""
    parameter = dict(_resolved(document, parameter))
    schema = parameter.get("schema")
    if isinstance(schema, dict):
        parameter["schema"] = schema = dict(_resolved(document, schema))
        if isinstance(schema.get("items"), dict):
            schema["items"] = _resolved(document, schema["items"])
    return parameter


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    seen: set[str] = set()
    while "$ref" in node:
        target = node["$ref"]
        match = _REFERENCE.fullmatch(target)
        if match is None or target in seen:
            raise CodegenError(f"$ref that leads back to itself: {target}")
        seen.add(target)
        node = document["components"][match[1]][match[2]]
    return node


def _check_operation(operation: dict[str, Any], path: str, file: str, place: str) -> None:
    name = operation.get("operationId")
    if name is None:
        raise CodegenError("the operation has no operationId", file=file, place=place)
    if not extensions.is_name(name):
        raise CodegenError(f"{name!r} is no operationId ([a-z][a-z0-9_]*, no Python keyword)", file=file, place=place)
    tags = operation.get("tags")
    if not tags or any(not isinstance(tag, str) or _TAG.fullmatch(tag) is None for tag in tags):
        raise CodegenError(
            f"{name} needs a tag of letters, digits and spaces, has {tags!r}", file=file, place=f"{place}/tags"
        )
    seen: set[tuple[str, str]] = set()
    in_path: set[str] = set()
    for index, parameter in enumerate(operation["parameters"]):
        here = f"{place}/parameters/{index}"
        _check_parameter(parameter, name, file, here)
        key = (parameter["name"], parameter["in"])
        if key in seen:
            raise CodegenError(f"{name} has the parameter {key[0]} twice", file=file, place=here)
        seen.add(key)
        if key[1] == "path":
            in_path.add(key[0])
    for missing in sorted(set(re.findall(r"\{([^}]*)\}", path)) ^ in_path):
        raise CodegenError(
            f"{name}: {{{missing}}} must be in the path and among its parameters", file=file, place=place
        )
    if not operation.get("responses"):
        raise CodegenError(f"{name} has no responses", file=file, place=f"{place}/responses")
    _check_extensions(operation, file, place)


def _check_parameter(parameter: dict[str, Any], name: str, file: str, place: str) -> None:
    """A parameter must have a plain name and a schema whose values have a type, for they become keywords."""
    wire, schema = parameter.get("name"), parameter.get("schema")
    if not isinstance(wire, str) or _PARAMETER.fullmatch(wire) is None:
        raise CodegenError(f"{name} has the parameter {wire!r}, which is no name", file=file, place=place)
    if parameter.get("in") not in ("query", "header", "path"):
        raise CodegenError(f"{name}: {wire} must stand in query, header or path", file=file, place=place)
    if not isinstance(schema, dict) or "$ref" in schema:
        raise CodegenError(f"{name}: {wire} needs a schema of its own", file=file, place=place)
    values = schema.get("items") if schema.get("type") == "array" else schema
    if not isinstance(values, dict) or values.get("type") not in ("string", "integer", "number", "boolean"):
        raise CodegenError(f"{name}: {wire} needs a type, or items of a type", file=file, place=f"{place}/schema")
    if any(not isinstance(value, (str, int, float, type(None))) for value in values.get("enum", ())):
        raise CodegenError(f"{name}: {wire} must list plain values", file=file, place=f"{place}/schema")
    if ("[" in wire and not wire.startswith("page[")) or wire == "include":
        family = schema.get("type") == "array" and all(isinstance(value, str) for value in values.get("enum", ()))
        if not family:
            raise CodegenError(f"{name}: {wire} must be a list of names", file=file, place=f"{place}/schema")


def _check_extensions(operation: dict[str, Any], file: str, place: str) -> None:
    for key, problem in extensions.problems(operation):
        raise CodegenError(f"{operation['operationId']}: {key} {problem}", file=file, place=f"{place}/{key}")


def _mapping(value: Any, file: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CodegenError(f"must be an object, is {_kind(value)}", file=file, place=place)
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null or missing"
    return {bool: "true or false", str: "text", list: "a list"}.get(type(value), "a number")


def _check_same(source: Source, first: Source) -> None:
    """What stands above the operations must be the same in all documents, or they aren't of one API."""
    here, there = (
        without_prose({key: value for key, value in each.document.items() if key not in _PARTS}, "document")
        for each in (source, first)
    )
    for key in sorted(here.keys() | there.keys()):
        if here.get(key) != there.get(key):
            raise CodegenError(f"{key} is another in {first.name}", file=source.name, place=f"/{key}")


def _collect_components(source: Source, known: dict[tuple[str, str], tuple[Any, str]]) -> None:
    for section, part in source.document.get("components", {}).items():
        for name, value in part.items():
            bare = without_prose({section: {name: value}}, "components")[section][name]
            other = known.setdefault((section, name), (bare, source.name))
            if other[0] != bare:
                raise CodegenError(
                    f"{name} is defined otherwise in {other[1]}",
                    file=source.name,
                    place=f"/components/{section}/{escape(name)}",
                )


# --- splitting and writing


def _slice(source: Source, path: str, method: str, operation: dict[str, Any], rules: prose.Rules) -> dict[str, Any]:
    document = source.document
    taken = rules.take(operation, _reached(document, operation))
    bare = without_prose(taken.operation, "operation")
    ordered = {key: bare[key] for key in _OPERATION_ORDER if key in bare}
    ordered |= {key: bare[key] for key in sorted(bare.keys() - ordered.keys())}
    out: dict[str, Any] = without_prose(
        {key: value for key, value in document.items() if key not in {"paths", "components"}}, "document"
    )
    out["tags"] = [tag for tag in out.get("tags", ()) if tag.get("name") in operation["tags"]] or [
        {"name": tag} for tag in operation["tags"]
    ]
    out["paths"] = {path: {method: ordered}}
    out["components"] = without_prose(taken.components, "components")
    return {key: out[key] for key in _DOCUMENT_ORDER if key in out} | {
        key: out[key] for key in sorted(out.keys() - set(_DOCUMENT_ORDER))
    }


def _reached(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The components that an operation refers to, and those that these refer to."""
    components: dict[str, dict[str, Any]] = document.get("components", {})
    kinds = {"schemas": "schema", "responses": "response", "parameters": "parameter", "examples": "example",
             "requestBodies": "request body", "headers": "header", "links": "link"}  # fmt: skip
    wanted = [target for _, target in references(operation, "operation")]
    reached: set[tuple[str, str]] = set()
    while wanted:
        match = _REFERENCE.fullmatch(wanted.pop())
        if match is None or (match[1], match[2]) in reached:
            continue
        section, name = match[1], match[2]
        reached.add((section, name))
        if section in kinds:
            wanted += [target for _, target in references(components[section][name], kinds[section])]
    for requirement in [*document.get("security", ()), *operation.get("security", ())]:
        if isinstance(requirement, dict):
            reached |= {
                ("securitySchemes", name) for name in requirement if name in components.get("securitySchemes", {})
            }
    return {
        section: {name: components[section][name] for name in sorted(n for s, n in reached if s == section)}
        for section in sorted({section for section, _ in reached})
    }


def _write(files: dict[str, dict[str, Any]], revision: str, specs: Path, report: ImportReport) -> None:
    """Swap in a complete folder, so that a crash leaves the old one or the new one, never a mixture."""
    target = specs / revision
    before: dict[str, str] = {}
    if target.is_symlink() or target.exists():
        if target.is_symlink() or not target.is_dir():
            raise CodegenError("is in the way; specs of a revision are a folder", file=target)
        for path in sorted(target.iterdir()):
            if path.suffix != ".json" or not path.is_file():
                raise CodegenError("is no spec; move it away, the import replaces the whole folder", file=path)
            before[path.stem] = path.read_text(encoding="utf-8", errors="replace")
    texts = {name: documents.dumps(value) for name, value in sorted(files.items())}
    report.added = sorted(texts.keys() - before.keys())
    report.removed = sorted(before.keys() - texts.keys())
    report.changed = sorted(name for name in texts.keys() & before.keys() if texts[name] != before[name])
    fresh, old = specs / f".{revision}.{os.getpid()}.new", specs / f".{revision}.{os.getpid()}.old"
    try:
        specs.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        for name, text in texts.items():
            (fresh / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")
        if before or target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise CodegenError(f"can't be written: {error.strerror or error}", file=error.filename or specs) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
