"""Makes the thumbnail of each example from its own run: `python tests/tools/thumbnails.py`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from visioncraft.visioncraft_core.media.animations import decode_animation
from visioncraft.visioncraft_core.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[2] / "example_workflows"
SIZE = (400, 400)


def make(workflow: Path) -> None:
    with tempfile.TemporaryDirectory() as out, Sandbox() as sandbox:
        command = ["visioncraft", "run", str(workflow), "--server", sandbox.url, "--json"]
        done = subprocess.run([*command, "--out", out], capture_output=True, check=True)
        shown = json.loads(done.stdout)["outputs"].values()
        first = next(Path(image["path"]) for node in shown for image in node.get("images", []))
        square(still(first)).save(workflow.with_suffix(".jpg"), quality=88)


def still(path: Path) -> Image.Image:
    """The picture in a file; of a moving one its first frame."""
    return Image.fromarray(decode_animation(path.read_bytes()).frames[0])


def square(picture: Image.Image) -> Image.Image:
    """The middle of the picture: template browsers show squares."""
    return ImageOps.fit(picture, SIZE, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for path in sorted(EXAMPLES.glob("*.json")):
        make(path)
        sys.stdout.write(f"{path.stem}.jpg\n")
