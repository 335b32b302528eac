"""Two servers that share a SQLite file and a folder; tests/engines tries PostgreSQL and S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.several_servers import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_two_servers_are_as_one(rule: Any, tmp_path: Path):
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    rule(tmp_path, f'database = "{database}"\nresults = "../results"')
