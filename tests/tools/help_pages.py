"""Keeps the lists of inputs and outputs on the help pages in step with what the nodes declare.

    python tests/tools/help_pages.py --check     names what is out of date; exit code 1
    python tests/tools/help_pages.py --update    writes it anew

A page is written by hand down to its first generated heading, and from there on by this tool.
ComfyUI shows web/docs/<node id>.md in its help panel, which is too narrow for tables.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from visioncraft.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES

PAGES = Path(__file__).parents[2] / "web" / "docs"
# The panel resolves no relative links.
COMMON = "https://github.com/VisionCraft-org/ComfyUI-VisionCraft/blob/main/web/docs/common.md"
SHARED = ("server", "seed")  # explained in common.md

SHORT_LIST = 4  # a longer list of choices is counted
SHORT_TEXT = 60  # characters of a default


def main(arguments: Sequence[str] | None = None, pages: Path = PAGES) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="name stale files, change nothing")
    mode.add_argument("--update", action="store_true", help="write stale files anew")
    update = parser.parse_args(arguments).update
    stale = {path: text for path, text in _right(pages) if _text(path) != text}
    for path, text in stale.items():
        if update:
            path.write_text(text, "utf-8", newline="\n")
        sys.stdout.write(f"{'Updated' if update else 'Out of date'}: {path.name}\n")
    return 1 if stale and not update else 0


def _right(pages: Path) -> Iterator[tuple[Path, str]]:
    """Each file with the text that it should have."""
    folders.current.set(Folders(pages, ()))  # LoadImage lists the files that it could load
    names = "\n".join(_host_node(name) for name in sorted(NODE_CLASSES))
    yield _filled(pages / "run.md", "## ComfyUI's own nodes that it knows", names)
    with TemporaryDirectory() as home:  # a new user's: no key, no settings, the bundled catalogs
        plain = {k: v for k, v in os.environ.items() if not k.startswith("VISIONCRAFT_")}
        with patch.dict(os.environ, {**plain, "VISIONCRAFT_HOME": home}, clear=True):
            for node_id, cls in NODE_CLASS_MAPPINGS.items():
                start = f"# {NODE_DISPLAY_NAME_MAPPINGS[node_id]}\n\n{cls.DESCRIPTION}\n"
                yield _filled(pages / f"{node_id}.md", "## Inputs", _lists(cls), start)


def _host_node(name: str) -> str:
    cls: Any = NODE_CLASSES[name]
    declared = cls.INPUT_TYPES()
    required = [f"`{each}`" for each in declared.get("required", {})]
    optional = [f"`{each}`" for each in declared.get("optional", {})]
    inputs = [", ".join(required), f"optional {', '.join(optional)}" if optional else ""]
    outputs = ", ".join(f"`{kind}`" for kind in cls.RETURN_TYPES) or "nothing"
    return f"- `{name}`: takes {'; '.join(filter(None, inputs)) or 'nothing'}; gives {outputs}."


def _filled(path: Path, heading: str, generated: str, start: str = "") -> tuple[Path, str]:
    written = (_text(path) or start).partition(f"\n{heading}\n")[0].rstrip("\n")
    return path, f"{written}\n\n{heading}\n\n{generated}\n"


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _lists(cls: Any) -> str:
    declared = cls.INPUT_TYPES()
    inputs = {**declared["required"], **declared.get("optional", {})}
    required = declared["required"]
    rows = [
        _input(name, *inputs[name], required=name in required)
        for name in inputs
        if name not in SHARED
    ]
    parts = ["\n".join(rows)] if rows else []
    if shared := " and ".join(f"`{name}`" for name in SHARED if name in inputs):
        also = " also" if rows else ""
        parts.append(f"It{also} has {shared}: see [what all nodes share]({COMMON}).")
    lists = getattr(cls, "OUTPUT_IS_LIST", None) or [False] * len(cls.RETURN_TYPES)
    outputs = [
        f"- `{name}` ({'list of ' if many else ''}{_type(kind)}): {_line(tip)}"
        for name, kind, many, tip in zip(
            cls.RETURN_NAMES, cls.RETURN_TYPES, lists, cls.OUTPUT_TOOLTIPS, strict=True
        )
    ]
    none = "None: the node runs whenever it is in the workflow."
    parts += ["## Outputs", "\n".join(outputs) if outputs else none]
    return "\n\n".join(parts)


def _input(name: str, kind: Any, options: dict[str, Any], *, required: bool) -> str:
    default = options.get("default", "")
    if isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = default if isinstance(default, str) else f"{default:g}"
        shown = shown if len(shown) <= SHORT_TEXT else f"{shown[:SHORT_TEXT].rstrip()}..."
        shown = f"`{shown}`" if shown else ""
    facts = _accepts(kind, options) + (f", default {shown}" if shown else "")
    facts += ", **required**" if required else ""
    return f"- `{name}` ({facts}): {_line(options['tooltip'])}"


def _accepts(kind: Any, options: dict[str, Any]) -> str:
    if isinstance(kind, list):
        few = ", ".join(f"`{name}`" for name in kind)
        return few if len(kind) <= SHORT_LIST else f"one of {len(kind)} names"
    if "min" in options:
        low, high, step = (f"{options.get(key, 1):g}" for key in ("min", "max", "step"))
        return f"{low} to {high}" + (f", on the canvas in steps of {step}" if step != "1" else "")
    socket = f"{_type(kind)} link"
    return {"STRING": "text", "BOOLEAN": "on or off"}.get(kind, socket)


def _type(kind: str) -> str:
    return " or ".join(f"`{name}`" for name in kind.split(","))


def _line(text: str) -> str:
    """`text` in one line that HTML does not take for its own."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
