"""The source code of a class's conversion from JSON and back: straight-line code, the way attrs writes an `__init__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async._model.dates import read_date, read_time
from klaviyo_async._model.fields import DATE, REF, TIME, WIRE, Spec
from klaviyo_async._model.references import Either, Many, Ref, Union, Values

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plan", "decode_source", "encode_source", "getter_sources", "listed"]


class Plan:
    """The fields of a class: name → wire name, → slot; those that are times, and those that contain models."""

    def __init__(self, fields: dict[str, Spec]) -> None:
        self.wires: dict[str, str] = {}
        self.slots: dict[str, str] = {}
        self.times: dict[str, Callable[[Any, int, Any], Any]] = {}
        self.refs: dict[str, Ref] = {}
        for name, spec in fields.items():
            metadata = spec.metadata
            self.wires[name] = metadata.get(WIRE, name)
            self.slots[name] = name
            if TIME in metadata or DATE in metadata:
                self.times[name] = read_time if TIME in metadata else read_date
            elif REF in metadata:
                self.refs[name] = metadata[REF]
                self.slots[name] = f"_raw_{name}"


def listed(ref: Ref) -> bool:
    """Whether it contains models in a list or dict, which doesn't show by itself whether it has been decoded."""
    return isinstance(ref, (Many, Values, Either))


def decode_source(plan: Plan) -> str:
    """`decode`: an object of the class from a JSON object."""
    times = [*plan.times]
    lists = [name for name, ref in plan.refs.items() if listed(ref)]
    target = {name: f"self.{slot}" for name, slot in plan.slots.items()}
    target |= {name: f"t{index}" for index, name in enumerate(times)}
    target |= {name: f"p{index}" for index, name in enumerate(lists)}
    # One store after the other is faster than an itemgetter and a tuple.
    take = "; ".join(f"{target[name]} = value[{wire!r}]" for name, wire in plan.wires.items()) or "pass"
    reshape = """absent, names, nulls = shapes.get(keys := tuple(value)) or shape(keys)
{0}if names: extra = {{name: value[name] for name in names}}
{0}if nulls: value = value | nulls"""
    lines = [
        f"self.{plan.slots[name]} = ({target[name]},) if type({target[name]}) in CONTAINERS else {target[name]}"
        for name in lists
    ]
    lines.append(f"self._texts = {''.join(f'{target[name]}, ' for name in times) or None}")
    for index, (name, read) in enumerate(plan.times.items()):
        zone = f" if v.tzinfo is not None else read{index}(self, {index}, t{index})" if read is read_time else ""
        lines += [
            f"if t{index} is None: self.{name} = None",
            "else:",
            f"    try: v = {'time' if read is read_time else 'date'}(t{index})",
            f"    except (TypeError, ValueError): self.{name} = read{index}(self, {index}, t{index})",
            f"    else: self.{name} = v{zone}",
        ]
    fill = "\n    ".join(lines)
    return f"""
def decode(value):
    if type(value) is not dict:
        return value
    absent = extra = None
    if len(value) != {len(plan.wires)}:
        {reshape.format("        ")}
    self = blank()
    try:
        {take}
    except KeyError:
        {reshape.format("        ")}
        {take}
    self._absent = absent
    self._extra = extra
    {fill}
    self.__class__ = cls
    return self
"""


def encode_source(plan: Plan, kind: str) -> str:
    """`encode`, which returns what is set by wire name.

    Kind `_wire`: nested models, and JSON that was not read, as they are. `_tree`: for the encoder, with models as dicts.
    `_dict`: everything as separate plain JSON values.
    """
    times = [*plan.times]
    plain = {
        "_wire": "v",
        "_tree": "v if type(v) in ATOMS else tree(v)",
        "_dict": "v if type(v) in PLAIN else copied(v)",
    }

    def entry(name: str) -> str:
        if name in plan.times:
            text = f"t{times.index(name)}"
            return {
                "_wire": f"written({text})",
                "_tree": text,
                "_dict": f"{text} if type({text}) in PLAIN else copied({text})",
            }[kind]
        slot = f"self.{plan.slots[name]}"
        ref = plan.refs.get(name)
        if ref is None:
            return f"v if type(v := {slot}) in PLAIN else copied(v)" if kind == "_dict" else slot
        if listed(ref):
            raw = "copied(v[0])" if kind == "_dict" else "v[0]"
            return f"{raw} if type(v := {slot}) is tuple else {plain[kind]}"
        return slot if kind == "_wire" else f"v.{kind}() if isinstance(v := {slot}, Model) else {plain[kind]}"

    unpack = f"{''.join(f't{index}, ' for index in range(len(times)))} = self._texts" if times else ""
    return f"""
def encode(self):
    {unpack}
    out = {{{", ".join(f"{wire!r}: {entry(name)}" for name, wire in plan.wires.items())}}}
    if absent := self._absent:
        for name in absent:
            del out[wire_of[name]]
    if extra := self._extra:
        out.update({"copied(extra)" if kind == "_dict" else "extra"})
    return out
"""


def getter_sources(plan: Plan) -> str:
    """`get0`, `get1`, …: the getters of fields that contain models, which build these when they are first read."""
    sources = []
    for index, (name, ref) in enumerate(plan.refs.items()):
        # A list or dict that has not been read yet is in a tuple.
        kind, raw = ("tuple", "v[0]") if listed(ref) else ("dict", "v")
        beside = f", self.{ref.beside}" if isinstance(ref, Union) and ref.beside else ""
        sources.append(f"""
def get{index}(self):
    v = self._raw_{name}
    if type(v) is {kind}:
        v = decode{index}({raw}{beside})
        put{index}(self, v)
    return v
""")
    return "".join(sources)
