"""Several processes that begin together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from support.timing import HANG


def run_together(program: str, folder: Path, amount: int = 2) -> None:
    """Runs `program` in `amount` processes, whose loops begin at the same time."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", program, str(folder)]
    processes = [subprocess.Popen([*command, str(n)], **pipes) for n in range(amount)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=HANG)
        assert process.returncode == 0


def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Asks `process` to end, and kills it after so many seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
