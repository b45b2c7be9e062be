"""Print the oldest version of each dependency that pyproject.toml allows, the extra `redis` included: ``aiohttp==3.11 …``."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["redis"]]:
    found = re.match(r"([\w-]+)>=([\d.]+)", requirement)
    assert found is not None, f"{requirement} has no lower bound"
    print(f"{found[1]}=={found[2]}")
