"""Filters, sort keys and sparse fieldsets: `F`, `Filter`, `Fields`."""

from klaviyo_async.filter._grammar import Condition
from klaviyo_async.filter.expressions import F, Field, Fields, Filter, SortKey

__all__ = ["Condition", "F", "Field", "Fields", "Filter", "SortKey"]
