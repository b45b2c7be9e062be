"""`Document`: a success document, and the metadata of its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import frozen

from klaviyo_async._model.base import Model
from klaviyo_async._model.related import related
from klaviyo_async._model.show import table

if TYPE_CHECKING:
    from klaviyo_async.headers import Headers

__all__ = ["Document", "Http"]


@frozen
class Http:
    """Metadata of the response: `document.http`."""

    status: int
    headers: Headers
    """The headers of the response."""
    request_id: str | None
    """Klaviyo's id for the request, for its support."""
    attempts: int
    """How often the request was sent."""
    waited: float
    """Seconds that the call waited for rate limits and between attempts."""


class Document(Model):
    """The document of a successful response, with the response's metadata in `http`."""

    __slots__ = ("_http", "_included_index")

    @property
    def http(self) -> Http:
        """Status, headers, request id, attempts and seconds waited of the response.

        None on a document that was not returned by a client, for instance in a test; so rare that the type doesn't say it.
        """
        found: Any = getattr(self, "_http", None)
        if found is not None and not isinstance(found, Http):
            # The session stores only what this is made from: it is never requested for most documents.
            self._http = found = found.http()
        return cast("Http", found)

    @http.setter
    def http(self, value: Http) -> None:
        self._http = value

    def __reduce__(self) -> tuple[Any, ...]:
        # Part of the state from which slots are set: copies and pickles keep the metadata as well.
        whole = super().__reduce__()
        http = self.http
        return whole if http is None else (*whole, (None, {"_http": http}))

    def related(self, resource: object, name: str) -> list[Any]:
        """The included resources that `resource` names in its relationship `name`, in order.

        If the relationship has no data, or its resources were not included, the list has only those available, possibly none.
        Raises QueryError for a name that isn't a relationship of the resource's type.
        """
        return related(self, resource, name)

    def _repr_html_(self) -> str | None:
        """A table of the page's resources, for notebooks; None for a document with a single resource."""
        data = getattr(self, "data", None)
        if type(data) is not list or not data or not all(isinstance(each, Model) for each in data):
            return None
        return table([each.to_row() for each in data], type(self).__name__)
