"""Which operations have a behaviour of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.testing.call import Answer, Call

Coverage = Literal["stateful", "computed", "accepted", "example"]
"""stateful: reads and changes state; computed: worked out from state; accepted: checked and answered, without effect;
example: answered from the schema's examples."""


@frozen
class Behaviour:
    """What answers an operation, and how much of it is real."""

    answer: Callable[[Call], Answer]
    coverage: Coverage


BEHAVIOURS: dict[str, Behaviour] = {}


def answers(
    *operations: str, coverage: Coverage = "stateful"
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Name the operations that a function answers."""

    def register(function: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        for operation in operations:
            BEHAVIOURS[operation] = Behaviour(function, coverage)
        return function

    return register
