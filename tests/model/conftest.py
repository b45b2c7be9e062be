"""The documents, merged once."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.specs.assemble import Spec, load_revision
from klaviyo_async import REVISION
from tests.support.synthesis import Synthesiser

SPECS = Path(__file__).resolve().parents[2] / "specs"


@pytest.fixture(scope="session")
def spec() -> Spec:
    return load_revision(SPECS, REVISION)


@pytest.fixture(scope="session")
def synthesiser(spec: Spec) -> Synthesiser:
    return Synthesiser(spec.document)
