"""JSON ↔ attrs: the foundation of the generated models. docs/design/decoding.md has the reasons and the figures."""

from klaviyo_async._model.base import Model
from klaviyo_async._model.compile import UnknownModel, model
from klaviyo_async._model.document import Document, Http
from klaviyo_async._model.fields import day, field, nested, time
from klaviyo_async._model.references import Either, Many, Union, Values, Variant
from klaviyo_async._model.unset import ABSENT, UNSET, Unset

__all__ = [
    "ABSENT",
    "UNSET",
    "Document",
    "Either",
    "Http",
    "Many",
    "Model",
    "Union",
    "UnknownModel",
    "Unset",
    "Values",
    "Variant",
    "day",
    "field",
    "model",
    "nested",
    "time",
]
