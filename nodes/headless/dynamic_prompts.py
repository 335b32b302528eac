"""`{a|b}` in prompts: one of the texts, chosen when a workflow is queued.

As ComfyUI's front end does for the inputs that are declared with `dynamicPrompts`: blocks may stand
in each other, a backslash before a brace or a bar takes its meaning away, and comments, from two
slashes to the end of the line or as in C, are left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from .canvas.workflow import Workflow

Pick = Callable[[Sequence[str]], str]

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n\r\u2028\u2029]*", re.DOTALL)
_PIECE = re.compile(r"\\.|[{}|]|[^\\{}|]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")


def choose(workflow: Workflow, pick: Pick = random.choice) -> None:
    """Chooses in each prompt of a canvas. The API form has texts that were chosen already."""
    if not workflow.states:
        return
    for node in workflow.nodes.values():
        for name, declared in workflow.types.inputs(node.class_type).items():
            text = node.inputs.get(name)
            if declared.options.get("dynamicPrompts") and isinstance(text, str):
                node.inputs[name] = chosen(text, pick)


def chosen(text: str, pick: Pick) -> str:
    """`text` with one of the alternatives of each block; one that is not closed ends with it."""
    blocks = [[""]]  # the alternatives so far of each block that is open; outside there is one
    for piece in _PIECE.findall(_COMMENT.sub("", text)):
        inside = len(blocks) > 1
        if piece == "{":
            blocks.append([""])
        elif piece == "|" and inside:
            blocks[-1].append("")
        elif piece == "}" and inside:
            alternative = pick(blocks.pop())
            blocks[-1][-1] += alternative
        else:
            blocks[-1][-1] += piece
    while len(blocks) > 1:
        alternative = pick(blocks.pop())
        blocks[-1][-1] += alternative
    return _ESCAPED.sub(r"\1", blocks[0][0])
