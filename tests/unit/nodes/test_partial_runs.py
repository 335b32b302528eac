from __future__ import annotations

from typing import Any

from visioncraft.nodes.partial_runs import MOST, PartialRuns


def test_a_linked_input_may_have_been_anything():
    runs = PartialRuns()
    runs.note({"seed": 3, "prompt": "a fox"})
    asked: list[dict[str, Any]] = [{"prompt": None}, {"seed": None, "prompt": "a fox"}]
    assert all(runs.mark(constants) for constants in asked)


def test_no_more_than_so_many_are_remembered():
    runs = PartialRuns()
    for seed in range(MOST + 1):
        runs.note({"seed": seed})
    assert runs.mark({"seed": 0}) == 0
    assert runs.mark({"seed": 1})
