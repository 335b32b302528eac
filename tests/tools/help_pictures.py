"""Makes the pictures of the help pages: each node with what its example made, in a real ComfyUI.

python -m tools.help_pictures [NODE_ID ...]        in tests/; needs ComfyUI and Chromium
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from support.browser import PATIENCE, Canvas
from support.comfyui import find_all, running
from support.paths import EXAMPLES, ROOT
from visioncraft.visioncraft_core.sandbox import Sandbox

PICTURES = ROOT / "web" / "docs" / "images"
WIDTH = 640  # pixels; the help panel is about 400 wide
SHOWN = {  # the example, its node of this kind, and the node that shows what came out of it
    "VisionCraftGenerate": ("Text to picture SD", 2, 3),
    "VisionCraftGenerateXL": ("Text to picture SDXL", 2, 3),
    "VisionCraftImg2Img": ("Four strengths", 5, 10),
    "VisionCraftUpscale": ("Idea to large picture", 4, 5),
    "VisionCraftGif": ("Idea to animation", 3, 4),
    "VisionCraftImg2Video": ("Picture to video", 3, 4),
    "VisionCraftLLM": ("Idea to picture", 2, 4),
    "VisionCraftPremiumLLM": ("Premium chat", 4, 5),
    "VisionCraftLoraStack": ("LoRA stack", 3, 4),
    "VisionCraftCatalog": ("Compare five models", 2, 3),
    "VisionCraftServer": ("Two servers", 3, 5),
    "VisionCraftSaveOriginal": ("Idea to animation", 3, 5),
}

# Moves both nodes beside each other, away from all others; gives where they are on the page.
PLACE = """([first, second]) => {
    const [a, b] = [first, second].map((id) => app.graph.getNodeById(id))
    app.graph._groups.length = 0
    a.pos = [5000, 5000]
    b.pos = [5000 + a.size[0] + 60, 5000]
    app.canvas.ds.scale = 1
    app.canvas.ds.offset[0] = 120 - 5000
    app.canvas.ds.offset[1] = 150 - 5000
    app.canvas.setDirty(true, true)
    const size = [a.size[0] + b.size[0] + 60, Math.max(a.size[1], b.size[1])]
    const { x, y } = document.querySelector("#graph-canvas").getBoundingClientRect()
    return { x: x + 100, y: y + 100, width: size[0] + 40, height: size[1] + 70 }
}"""


def main(wanted: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VISIONCRAFT_")}
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        base = Path(folder)
        user = base / "user" / "default"
        user.mkdir(parents=True)
        settings = {
            "Comfy.TutorialCompleted": True,
            "Comfy.Minimap.Visible": False,
            "Comfy.Graph.CanvasMenu": False,
        }
        (user / "comfy.settings.json").write_text(json.dumps(settings))
        environment |= {"NO_PROXY": "*"}
        with running(find_all()[-1], base, sandbox, environment) as comfyui, sync_playwright() as p:
            chromium = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1300, "height": 1000})
            page.set_default_timeout(PATIENCE)
            canvas = Canvas(page, comfyui.url)
            canvas.open()
            for node_id in wanted or SHOWN:
                example, *nodes = SHOWN[node_id]
                path = EXAMPLES / f"VisionCraft - {example}.json"
                canvas.drop_workflow(json.loads(path.read_text("utf-8")))
                canvas.run()
                save(page, nodes, PICTURES / f"{node_id}.jpg")
                sys.stdout.write(f"{node_id}.jpg\n")
            chromium.close()


def save(page: Page, nodes: list[int], path: Path) -> None:
    page.wait_for_timeout(3000)  # a picture is looked at before it is committed
    place = page.evaluate(PLACE, nodes)
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot(clip=place))) as picture:
        height = round(picture.height * WIDTH / picture.width)
        small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    path.parent.mkdir(exist_ok=True)
    small.save(path, quality=82)


if __name__ == "__main__":
    main(sys.argv[1:])
