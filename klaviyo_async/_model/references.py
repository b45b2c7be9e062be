"""References from a model's field to the models in it, and the selection of union members.

docs/design/unions.md lists the unions, including those that are ambiguous.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Either", "Many", "One", "Ref", "Union", "Values", "Variant"]


class Ref(ABC):
    """What a field contains besides scalars. `bind` creates its decoder once the package of the models is known."""

    __slots__ = ()

    @abstractmethod
    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function from parsed JSON to models, which leaves unexpected values unchanged.

        `unknown` decodes an object that fits no member of a union.
        """

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Names of the models that it may return."""


def load(package: str, name: str) -> Any:
    """The model of that name in `package` or, as in ``resources.Profile``, in a sibling package."""
    beside, _, own = name.rpartition(".")
    return getattr(import_module(f"{package.rpartition('.')[0]}.{beside}" if beside else package), own)


class One(Ref):
    """A model, by name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[[Any], Any]:  # noqa: ARG002
        return cast("Callable[[Any], Any]", load(package, self.name)._decode)

    def names(self) -> Iterable[str]:
        return (self.name,)


class Many(Ref):
    """A list of what `item` describes; if one object was received in place of the list, that one."""

    __slots__ = ("item",)

    def __init__(self, item: Ref | str) -> None:
        self.item = One(item) if isinstance(item, str) else item

    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[[Any], Any]:
        decode = self.item.bind(package, unknown)

        def decode_list(value: Any) -> Any:
            return list(map(decode, value)) if type(value) is list else decode(value)

        return decode_list

    def names(self) -> Iterable[str]:
        return self.item.names()


class Values(Ref):
    """An object whose values are what `item` describes."""

    __slots__ = ("item",)

    def __init__(self, item: Ref | str) -> None:
        self.item = One(item) if isinstance(item, str) else item

    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[[Any], Any]:
        decode = self.item.bind(package, unknown)

        def decode_values(value: Any) -> Any:
            return {key: decode(member) for key, member in value.items()} if type(value) is dict else value

        return decode_values

    def names(self) -> Iterable[str]:
        return self.item.names()


class Either(Ref):
    """An object or a list, each with its own reference."""

    __slots__ = ("many", "one")

    def __init__(self, one: Ref | str, many: Many) -> None:
        self.one = One(one) if isinstance(one, str) else one
        self.many = many

    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[[Any], Any]:
        one, many = self.one.bind(package, unknown), self.many.bind(package, unknown)
        return lambda value: many(value) if type(value) is list else one(value)

    def names(self) -> Iterable[str]:
        return [*self.one.names(), *self.many.names()]


class Variant:
    """One member of a union: the allowed values of its constants, the keys it requires and those it knows."""

    __slots__ = ("constants", "keys", "name", "required")

    def __init__(
        self,
        name: str,
        constants: Mapping[str, tuple[Any, ...]],
        required: tuple[str, ...] = (),
        keys: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.constants = constants
        self.required = frozenset(required)
        self.keys = frozenset(keys)

    def fits(self, value: dict[str, Any]) -> bool:
        """Whether no constant rules it out."""
        return all(value[key] in allowed for key, allowed in self.constants.items() if key in value)

    def matches(self, value: dict[str, Any]) -> int:
        """How many of its constants the value has."""
        return sum(key in value and value[key] in allowed for key, allowed in self.constants.items())

    def may_fit(self, value: dict[str, Any]) -> bool:
        """Whether it fits except for properties with several known values, of which the value has a new one."""
        return self.matches(value) > 0 and all(
            len(allowed) > 1 or value[key] in allowed for key, allowed in self.constants.items() if key in value
        )


class Union(Ref):
    """One of several models, selected by constants, then by the keys they know, by a sibling, and by the keys they require.

    Members are never tried in order. If several can't be told apart, the first of them is selected; if a constant rules
    out all members, the value becomes an `UnknownModel`.

    `beside` is a field next to the union's whose text names the member: {"sms": "FlowSms", …}, in lower case, letters and
    digits only.
    """

    __slots__ = ("beside", "by_text", "variants")

    def __init__(self, *variants: Variant, beside: str = "", by_text: Mapping[str, str] | None = None) -> None:
        self.variants = variants
        self.beside = beside
        self.by_text = by_text or {}

    def names(self) -> Iterable[str]:
        return [variant.name for variant in self.variants]

    def choose(self, value: dict[str, Any], sibling: object = None) -> Variant | None:
        """The member selected for the value, or None."""
        present = value.keys()
        named = self.by_text.get("".join(filter(str.isalnum, sibling.lower()))) if isinstance(sibling, str) else None

        def likeness(variant: Variant) -> tuple[int, ...]:
            return (
                variant.matches(value),
                -len(present - variant.keys),
                variant.name == named,
                # Last, because sparse fieldsets remove required keys as well.
                -len(variant.required - present),
                len(variant.required),
            )

        fitting = [each for each in self.variants if each.fits(value)]
        if fitting:
            return max(fitting, key=likeness) if len(fitting) > 1 else fitting[0]
        # Klaviyo may have added a value to a list of known ones: that must neither hide the member nor make one up.
        likely = sorted((each for each in self.variants if each.may_fit(value)), key=likeness, reverse=True)
        if not likely or (len(likely) > 1 and likeness(likely[0]) == likeness(likely[1])):
            return None
        return likely[0]

    def bind(self, package: str, unknown: Callable[[Any], Any]) -> Callable[..., Any]:
        decoders: dict[str, Callable[[Any], Any]] = {}
        # Most unions have a key whose constant distinguishes all members: then a look-up decides.
        index: dict[Any, str] = {}
        shared = set(self.variants[0].constants).intersection(*(variant.constants for variant in self.variants))
        by = ""
        for key in sorted(shared, key=lambda key: (key != "type", key)):
            index = {value: variant.name for variant in self.variants for value in variant.constants[key]}
            if len(index) == sum(len(variant.constants[key]) for variant in self.variants):
                by = key
                break
        # If nothing else is known, that constant is the only criterion.
        only = bool(by) and not any(variant.keys for variant in self.variants)

        def decode_union(value: Any, sibling: object = None) -> Any:
            if type(value) is not dict:
                return value
            name: str | None = None
            if by and by in value:
                constant = value[by]
                name = index.get(constant) if isinstance(constant, (str, int, type(None))) else None
            if name is None and not only:
                variant = self.choose(value, sibling)
                name = variant.name if variant is not None else None
            if name is None:
                return unknown(value)
            decode = decoders.get(name)
            if decode is None:
                decode = decoders[name] = One(name).bind(package, unknown)
            return decode(value)

        return decode_union
