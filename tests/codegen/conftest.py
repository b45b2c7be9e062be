"""Revisions imported once for all tests of the code generator."""

from __future__ import annotations

import copy
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from codegen.importing.importer import ImportReport, import_documents
from codegen.specs.assemble import Spec, load_revision

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared" / "upstream"
SETS = sorted(path.name.removesuffix(".json.xz") for path in (SHARED / "sets").glob("*.json.xz")) or ["none"]
"""Revisions of which there are whole documents beside the project."""


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The folder of upstream documents."""
    if not SHARED.is_dir():
        pytest.skip("the upstream documents are not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def imported(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, ImportReport]]:
    """A folder of specs with both revisions and the project's overrides, and the reports of the imports."""
    specs = tmp_path_factory.mktemp("specs")
    (specs / "overrides.toml").write_bytes((PROJECT / "specs" / "overrides.toml").read_bytes())
    reports = {
        revision: import_documents(upstream / revision, revision, specs) for revision in ("2026-04-15", "2026-07-15")
    }
    return specs, reports


@pytest.fixture(scope="session")
def specs(imported: tuple[Path, dict[str, ImportReport]]) -> Path:
    return imported[0]


class Sets:
    """Whole documents of other revisions, each imported when it is first asked for."""

    def __init__(self, folder: Path, specs: Path) -> None:
        self.folder = folder
        self.specs = specs
        """Specs of those that were asked for, without overrides of their own: the project's serve."""
        self._reports: dict[str, ImportReport] = {}
        self._specs: dict[str, Spec] = {}

    def document(self, revision: str) -> dict[str, Any]:
        """What Klaviyo published."""
        found: dict[str, Any] = json.loads(lzma.decompress(self.source(revision).read_bytes()))
        return found

    def source(self, revision: str) -> Path:
        return self.folder / f"{revision}.json.xz"

    def report(self, revision: str) -> ImportReport:
        """What the import said."""
        if revision not in self._reports:
            self._reports[revision] = import_documents(self.source(revision), revision, self.specs)
        return self._reports[revision]

    def spec(self, revision: str) -> Spec:
        """The specs with the project's overrides; not to be changed."""
        if revision not in self._specs:
            self.report(revision)
            self._specs[revision] = load_revision(self.specs, revision)
        return self._specs[revision]


@pytest.fixture(scope="session")
def sets(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Sets:
    """Whole documents of other revisions."""
    return Sets(upstream / "sets", tmp_path_factory.mktemp("sets") / "specs")


@pytest.fixture
def document() -> dict[str, Any]:
    """A small, good document to spoil: one operation with a body, an answer and parameters."""
    return copy.deepcopy(_DOCUMENT)


_DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.2",
    "info": {
        "title": "Klaviyo API",
        "version": "2026-04-15",
        "description": "prose",
        "termsOfService": "https://prose",
    },
    "servers": [{"url": "https://a.klaviyo.com", "description": "prose"}],
    "security": [{"Klaviyo-API-Key": []}],
    "tags": [{"name": "Notes", "description": "prose"}],
    "paths": {
        "/api/notes/{id}": {
            "patch": {
                "operationId": "update_note",
                "summary": "Update Note",
                "description": "prose",
                "tags": ["Notes"],
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "description": "prose",
                        "schema": {"type": "string"},
                    },
                    {
                        "name": "description",
                        "in": "query",
                        "description": "prose",
                        "schema": {"type": "string", "description": "prose", "example": {"description": "kept"}},
                    },
                ],
                "requestBody": {
                    "description": "prose",
                    "content": {
                        "application/vnd.api+json": {
                            "schema": {"$ref": "#/components/schemas/Note"},
                            "examples": {"one": {"description": "prose", "value": {"description": "kept"}}},
                        }
                    },
                },
                "responses": {
                    "200": {
                        "description": "prose",
                        "content": {"application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/Note"}}},
                    },
                    "4XX": {"$ref": "#/components/responses/ClientError"},
                },
                "x-klaviyo-ratelimit": {"burst": "10/s", "steady": "150/m"},
                "x-klaviyo-scopes": ["notes:write"],
                "x-klaviyo-filters": {"description": {"operators": {"single": ["equals"]}}},
            }
        }
    },
    "components": {
        "schemas": {
            "Note": {
                "type": "object",
                "description": "prose",
                "required": ["description"],
                "properties": {
                    "zeta": {"$ref": "#/components/schemas/description"},
                    "description": {"type": "string", "description": "prose", "default": "kept"},
                    "properties": {"type": "object", "example": {"description": "kept", "$ref": "kept"}},
                    "$ref": {"type": "string", "enum": ["description"], "description": "prose"},
                },
            },
            "description": {"type": "string", "description": "prose"},
            "Unused": {"type": "string"},
        },
        "responses": {"ClientError": {"description": "prose"}},
        "securitySchemes": {
            "Klaviyo-API-Key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "prose"}
        },
    },
}
