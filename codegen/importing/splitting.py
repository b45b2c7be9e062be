"""One document of many operations → one document for each, with the slice of components that it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from codegen.openapi import without_prose

if TYPE_CHECKING:
    from codegen.importing.prose import Rules
    from codegen.references import References

_DOCUMENT_ORDER = ("openapi", "info", "servers", "security", "tags", "paths", "components")
_OPERATION_ORDER = (
    "operationId", "summary", "deprecated", "tags", "parameters", "requestBody", "responses", "security", "servers",
)  # fmt: skip
_FOR_THE_SITE = frozenset({"x-readme", "externalDocs"})
"""What the reference site is told, in bundles only."""


def head(document: dict[str, Any]) -> dict[str, Any]:
    """What stands above the operations and is the same for all of them: version, servers, security."""
    apart = {"paths", "components", "tags", *_FOR_THE_SITE}
    found: dict[str, Any] = without_prose(
        {key: value for key, value in document.items() if key not in apart}, "document"
    )
    return found


@frozen
class Splitter:
    """Cuts one document."""

    document: dict[str, Any]
    references: References
    rules: Rules

    def slice_of(self, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
        """The document of one operation: facts only, in one order whatever the order of the source."""
        taken = self.rules.take(operation, self._reached(operation))
        tags = without_prose({"tags": self.document.get("tags", [])}, "document")["tags"]
        out = head(self.document)
        out["tags"] = [tag for tag in tags if tag.get("name") in operation["tags"]] or [
            {"name": tag} for tag in operation["tags"]
        ]
        out["paths"] = {path: {method: _ordered(without_prose(taken.operation, "operation"), _OPERATION_ORDER)}}
        out["components"] = without_prose(taken.components, "components")
        return _ordered(out, _DOCUMENT_ORDER)

    def _reached(self, operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The components that an operation refers to, and those that these refer to, sorted."""
        components: dict[str, dict[str, Any]] = self.document.get("components", {})
        reached = self.references.reached(operation, "operation")
        for requirement in [*self.document.get("security", ()), *operation.get("security", ())]:
            if isinstance(requirement, dict):
                known = components.get("securitySchemes", {})
                reached |= {("securitySchemes", name) for name in requirement if name in known}
        return {
            section: {name: components[section][name] for name in sorted(n for s, n in reached if s == section)}
            for section in sorted({section for section, _ in reached})
        }


def _ordered(node: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    names = [*(key for key in first if key in node), *sorted(node.keys() - set(first))]
    return {key: node[key] for key in names}
