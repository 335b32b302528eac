"""What the fuzzers share: Atheris, which is optional, and a corpus made anew for each run."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

LONGEST_SEED = 32_768
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", f"-max_len={2 * LONGEST_SEED}"]


def fuzz(target: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Calls `target` with mutations of `seeds`; ends at the first exception that leaves it.

    The command line is libFuzzer's: `-max_total_time=60`, or a file that failed before.
    """
    atheris = _atheris()
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            if len(seed) <= LONGEST_SEED:
                Path(folder, f"{number:04}").write_bytes(seed)
        given = sys.argv[1:]
        files = [] if any(not option.startswith("-") for option in given) else [folder]
        atheris.Setup([sys.argv[0], *LIMITS, *given, *files], target)
        atheris.Fuzz()


def instrumented() -> Any:
    """A context in which imports are instrumented, so that the fuzzer sees which lines ran."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    return _atheris().instrument_imports(include=["visioncraft", "PIL"])


def _atheris() -> Any:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        sys.exit("This needs Atheris: pip install atheris (Linux or macOS).")
