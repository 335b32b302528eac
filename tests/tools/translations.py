"""Keeps locales/ in step with what the nodes declare and the front-end extension registers.

    python tests/tools/translations.py --check     names stale files and missing texts; exit code 1
    python tests/tools/translations.py --update    writes the files anew

tests/tools/translations/<language>.json holds every English text with its translation; the name of
an input or output counts as its text. ComfyUI serves locales/ to its front end, which has English
itself.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from visioncraft.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "locales"
TRANSLATIONS = Path(__file__).with_name("translations")

BRAND = "VisionCraft"  # the same in every language
STRING = r'"((?:[^"\\]|\\.)*)"'
LITERAL = rf"{STRING}(?:\s*\+\s*{STRING})*"
END = r"(?=\bid:|registerExtension|\Z)"  # of what is registered under an id
REGISTERED = re.compile(rf'\bid:\s*"({BRAND}\.[\w.]+)"(.*?){END}', re.DOTALL)
KEY = re.compile(rf"\b(name|label|tooltip):\s*({LITERAL})")
LIST = re.compile(r"\b(category|path):\s*\[([^\]]*)\]")

Texts = dict[str, Any]  # as ComfyUI nests them, with English texts at the leaves


def main(
    arguments: Sequence[str] | None = None,
    locales: Path = LOCALES,
    translations: Path = TRANSLATIONS,
    web: Path = ROOT / "web",
) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="name what is stale, change nothing")
    mode.add_argument("--update", action="store_true", help="write stale files anew")
    update = parser.parse_args(arguments).update
    english = english_texts(web)
    problems = []
    for table in sorted(translations.glob("*.json")):
        translated = json.loads(table.read_text("utf-8"))
        wanted = set(_leaves(english))
        problems += [f"{table.name} lacks: {text}" for text in sorted(wanted - set(translated))]
        problems += [f"{table.name}, unused: {text}" for text in sorted(set(translated) - wanted)]
        for name, texts in english.items():
            path = locales / table.stem / f"{name}.json"
            right = json.dumps(_translated(texts, translated), ensure_ascii=False, indent=2) + "\n"
            if path.is_file() and path.read_text("utf-8") == right:
                continue
            if update:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(right, "utf-8", newline="\n")
            else:
                problems.append(f"Out of date: {table.stem}/{path.name}")
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


def english_texts(web: Path) -> dict[str, Texts]:
    """The texts of each of ComfyUI's locale files."""
    with TemporaryDirectory() as home:  # a new user's: no key, no settings, the bundled catalogs
        plain = {k: v for k, v in os.environ.items() if not k.startswith("VISIONCRAFT_")}
        with patch.dict(os.environ, {**plain, "VISIONCRAFT_HOME": home}, clear=True):
            nodes = {node_id: _node(node_id) for node_id in NODE_CLASS_MAPPINGS}
    categories = {part for cls in NODE_CLASS_MAPPINGS.values() for part in cls.CATEGORY.split("/")}
    script = "\n".join(path.read_text("utf-8") for path in sorted(web.rglob("*.js")))
    settings, commands = {}, {}
    for identifier, rest in REGISTERED.findall(script):
        texts = {key: _joined(literal) for key, literal, *_ in KEY.findall(rest)}
        kind = commands if "label" in texts else settings
        kind[identifier.replace(".", "_")] = texts
    lists = {"category": set(), "path": set()}
    for kind, names in LIST.findall(script):
        lists[kind].update(re.findall(STRING, ",".join(names.split(",")[:2])))
    main = {
        "nodeCategories": categories,
        "settingsCategories": lists["category"],
        "menuLabels": lists["path"] - {"Extensions"},  # which is ComfyUI's own
    }
    return {
        "main": {key: {t: t for t in sorted(texts - {BRAND})} for key, texts in main.items()},
        "nodeDefs": nodes,
        "settings": settings,
        "commands": commands,
    }


def _node(node_id: str) -> Texts:
    cls: Any = NODE_CLASS_MAPPINGS[node_id]
    declared = cls.INPUT_TYPES()
    inputs: Texts = {}
    for name, (_, options) in {**declared["required"], **declared.get("optional", {})}.items():
        inputs[name] = {"name": name, "tooltip": options["tooltip"]}
        if options.get("control_after_generate"):
            inputs["control_after_generate"] = {"name": "control_after_generate"}
    outputs = zip(cls.RETURN_NAMES, cls.OUTPUT_TOOLTIPS, strict=True)
    return {
        "display_name": NODE_DISPLAY_NAME_MAPPINGS[node_id],
        "description": cls.DESCRIPTION,
        "inputs": inputs,
        "outputs": {str(n): {"name": o, "tooltip": tip} for n, (o, tip) in enumerate(outputs)},
    }


def _joined(literal: str) -> str:
    return "".join(json.loads(f'"{part}"') for part in re.findall(STRING, literal))


def _leaves(texts: Mapping[str, Any]) -> Iterator[str]:
    for value in texts.values():
        if isinstance(value, str):
            yield value
        else:
            yield from _leaves(value)


def _translated(texts: Texts, translated: Mapping[str, str]) -> Texts:
    return {
        key: translated.get(value, value)
        if isinstance(value, str)
        else _translated(value, translated)
        for key, value in texts.items()
    }


if __name__ == "__main__":
    sys.exit(main())
