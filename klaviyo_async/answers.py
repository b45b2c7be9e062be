"""What an answer means: a document, plain JSON, nothing, or an error."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import DecodeError, error_of, parse_errors
from klaviyo_async.message import Http
from klaviyo_async.model import loads
from klaviyo_async.record import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.errors import APIError
    from klaviyo_async.message import Headers, Response
    from klaviyo_async.operation import Operation

log = logging.getLogger("klaviyo_async")


@frozen
class Answer:
    """The answer to a call, and how it came about."""

    operation: Operation
    response: Response
    attempts: int
    waited: float
    revision: str
    """The revision that was asked for."""

    def error(self, *, credential: str, retry_after: float | None = None, status: int | None = None) -> APIError:
        """The error that this answer is."""
        return error_of(
            self.operation,
            status=self.response.status if status is None else status,
            headers=self.response.headers,
            body=self.response.body,
            credential=credential,
            revision=self.revision,
            retry_after=retry_after,
            attempts=self.attempts,
            waited=self.waited,
        )


class Decoder:
    """Decodes the successes of one client."""

    def __init__(self, credential: str) -> None:
        self._credential = credential
        self._models: dict[tuple[str, str], Callable[[bytes], Any]] = {}
        self._warned: set[str] = set()

    def document(self, answer: Answer) -> Any:
        """The operation's success document, with its `http`; None where it has none or the body is empty.

        Raises `DecodeError` where the body is not what the operation promises.
        """
        body = self._body(answer)
        if body is None:
            return None
        name = answer.operation.response
        try:
            if name is None:
                # Nobody looks at it, but what answers with something else than JSON was not Klaviyo.
                loads(body)
                return None
            document = self._model(answer.operation)(body)
        except DecodeError as error:
            reason = error.reason
        except (ValueError, RecursionError) as error:
            reason = str(error)
        else:
            response = answer.response
            document.http = Http(response.status, response.headers, response.request_id, answer.attempts, answer.waited)
            return document
        raise _undecodable(answer, reason)

    def plain(self, answer: Answer) -> Any:
        """The answer as plain JSON; None where the body is empty. Raises `DecodeError` where it is no JSON."""
        body = self._body(answer)
        if body is None:
            return None
        try:
            return loads(body)
        except (ValueError, RecursionError) as error:
            reason = str(error)
        raise _undecodable(answer, reason)

    def _body(self, answer: Answer) -> bytes | None:
        response = answer.response
        self._note_revision(answer.revision, response.headers)
        body = response.body
        if not body or body.isspace():
            return None
        if b'"errors"' in body[:64]:
            self._refuse_errors(answer)
        return body

    def _refuse_errors(self, answer: Answer) -> None:
        """Raise where a success carries an errors document instead of data, which has been seen."""
        errors = parse_errors(answer.response.body)
        if errors:
            document = loads(answer.response.body)
            if "data" not in document:
                raise answer.error(credential=self._credential, status=errors[0].status)

    def _model(self, operation: Operation) -> Callable[[bytes], Any]:
        key = operation.models, operation.response or ""
        decode = self._models.get(key)
        if decode is None:
            found: Callable[[bytes], Any] = getattr(import_module(key[0]), key[1]).from_json
            decode = self._models[key] = found
        return decode

    def _note_revision(self, asked: str, headers: Headers) -> None:
        served = headers.get("X-Klaviyo-Api-Revision")
        if served is not None and served != asked and served not in self._warned:
            self._warned.add(served)
            log.warning(
                "Klaviyo serves revision %s instead of %s, which it has retired: answers may have other fields."
                " Upgrade klaviyo_async.",
                served,
                asked,
            )


def _undecodable(answer: Answer, reason: str) -> DecodeError:
    response = answer.response
    return DecodeError(
        answer.operation.name, status=response.status, headers=response.headers, body=response.body, reason=reason
    )
