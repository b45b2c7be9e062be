"""Interprets a response: a document, plain JSON, nothing, or an error."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from klaviyo_async._model.codec import loads
from klaviyo_async._model.document import Http
from klaviyo_async.errors import DecodeError, error_of, parse_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.errors import APIError
    from klaviyo_async.headers import Headers
    from klaviyo_async.middleware import Response
    from klaviyo_async.operation import Operation

log = logging.getLogger("klaviyo_async")


class Outcome:
    """The final response of a call, and its history."""

    __slots__ = ("attempts", "body", "headers", "operation", "revision", "status", "waited")

    def __init__(self, operation: Operation, response: Response, attempts: int, waited: float, revision: str) -> None:
        self.operation: Operation = operation
        self.status: int = response.status
        self.headers: Headers = response.headers
        self.body: bytes = response.body
        self.attempts: int = attempts
        self.waited: float = waited
        self.revision: str = revision
        """The revision that was requested."""

    def http(self) -> Http:
        """The response's metadata, for the document."""
        request_id = self.headers.get("X-Klaviyo-Req-Id")
        return Http(self.status, self.headers, request_id, self.attempts, self.waited)

    def error(self, *, credential: str, retry_after: float | None = None, kind: int | None = None) -> APIError:
        """The error for this response; `kind` is the status that determines its class, if it differs from the response's own."""
        return error_of(
            self.operation,
            status=self.status,
            kind=kind,
            headers=self.headers,
            body=self.body,
            credential=credential,
            revision=self.revision,
            retry_after=retry_after,
            attempts=self.attempts,
            waited=self.waited,
        )


class Decoder:
    """Decodes the success responses of a client."""

    def __init__(self, credential: str) -> None:
        self._credential = credential
        self._models: dict[tuple[str, str], Callable[[bytes], Any]] = {}
        self._warned: set[str] = set()

    def document(self, outcome: Outcome) -> Any:
        """The operation's success document, with its `http`; None if it has none or the body is empty.

        Raises `DecodeError` if the body is not what the operation promises.
        """
        body = self._body(outcome)
        if body is None:
            return None
        operation = outcome.operation
        name = operation.response
        try:
            if name is None:
                # Nobody looks at it, but a response other than JSON did not come from Klaviyo.
                loads(body)
                return None
            decode = self._models.get((operation.package, name)) or self._model(operation.package, name)
            document = decode(body)
        except DecodeError as error:
            reason = error.reason
        except (ValueError, RecursionError) as error:
            reason = str(error)
        else:
            outcome.body = b""  # the document has what was in it
            document._http = outcome
            return document
        raise _undecodable(outcome, reason)

    def plain(self, outcome: Outcome) -> Any:
        """The response as plain JSON; None if the body is empty. Raises `DecodeError` if it is not JSON."""
        body = self._body(outcome)
        if body is None:
            return None
        try:
            return loads(body)
        except (ValueError, RecursionError) as error:
            reason = str(error)
        raise _undecodable(outcome, reason)

    def _body(self, outcome: Outcome) -> bytes | None:
        served = outcome.headers.get("X-Klaviyo-Api-Revision")
        if served is not None and served != outcome.revision:
            self._note_revision(outcome.revision, served)
        body = outcome.body
        # A repeated DELETE may end with 404, which means that it has succeeded.
        if not body or (body[0] <= 32 and body.isspace()) or outcome.status == 404:
            return None
        if b'"errors"' in body[:64]:
            self._refuse_errors(outcome)
        return body

    def _refuse_errors(self, outcome: Outcome) -> None:
        """Raise if a success carries an errors document instead of data, which has been observed."""
        errors = parse_errors(outcome.body)
        if errors and "data" not in loads(outcome.body):
            raise outcome.error(credential=self._credential, kind=errors[0].status)

    def _model(self, package: str, name: str) -> Callable[[bytes], Any]:
        decode: Callable[[bytes], Any] = getattr(import_module(f"{package}.models"), name).from_json
        self._models[package, name] = decode
        return decode

    def _note_revision(self, asked: str, served: str) -> None:
        if served not in self._warned:
            self._warned.add(served)
            log.warning(
                "Klaviyo serves revision %s instead of %s, which it has retired: responses may have other fields."
                " Upgrade klaviyo_async.",
                served,
                asked,
            )


def _undecodable(outcome: Outcome, reason: str) -> DecodeError:
    return DecodeError(
        outcome.operation.name, status=outcome.status, headers=outcome.headers, body=outcome.body, reason=reason
    )
