"""Short ways to write the canvas form of a workflow, and node classes to read it with."""

from __future__ import annotations

from typing import Any


def node_class(
    required: dict[str, Any], optional: dict[str, Any] | None = None, returns: tuple[str, ...] = ()
) -> type:
    inputs = {"required": required, "optional": optional or {}, "hidden": {"me": "UNIQUE_ID"}}
    members = {"INPUT_TYPES": classmethod(lambda cls: inputs), "RETURN_TYPES": returns}
    return type("Fake", (), members)


NODE_CLASSES = {
    "Paint": node_class(
        {
            "text": ("STRING", {"multiline": True}),
            "seed": ("INT", {"default": 7}),
            "steps": ("INT", {"default": 20}),
            "sampler": (["euler", "heun"],),
        },
        {"quality": ("FLOAT", {"default": 1.5})},
        ("IMAGE", "INT"),
    ),
    "Blend": node_class(
        {"strength": ("FLOAT", {"default": 0.5}), "image": ("IMAGE",), "mask": ("MASK",)},
        {"other": ("IMAGE",)},
        ("IMAGE", "MASK"),
    ),
    "Show": node_class({"images": ("IMAGE",), "safe": ("BOOLEAN", {"default": True})}),
    "Say": node_class({"text": ("STRING", {"forceInput": True}), "size": ("INT", {"default": 4})}),
    "Pick": node_class(
        {"one": (["a", "b"], {"control_after_generate": True}), "after": ("INT", {"default": 3})}
    ),
    "Load": node_class({"image": (["a.png"], {"image_upload": True})}, {}, ("IMAGE", "MASK")),
    "Tags": node_class({"tags": ("COMBO", {"options": ["x", "y"], "multi_select": {}})}),
    "Batch": node_class({"amount": ([1, 2, 4],)}),
}

STEPS = ("steps", "INT")
TEXT = ("text", "STRING")
PICTURE = ("IMAGE", "IMAGE")
SUBGRAPH = "11111111-1111-4111-8111-111111111111"
OUTER = "22222222-2222-4222-8222-222222222222"

PAINT_VALUES = ("a cat", 5, "fixed", 30, "heun", 2.5)


def node(ident: Any, kind: str, /, *, values: Any = None, **members: Any) -> dict[str, Any]:
    """A node as ComfyUI saves it; links are drawn by `canvas`."""
    saved = {} if values is None else {"widgets_values": values}
    return {"id": ident, "type": kind, "mode": 0, "inputs": [], "outputs": [], **saved, **members}


def paint(ident: Any, values: Any = PAINT_VALUES, **members: Any) -> dict[str, Any]:
    return node(ident, "Paint", values=list(values), **members)


def canvas(
    nodes: list[dict[str, Any]], *links: tuple[Any, ...], subgraphs: Any = (), **members: Any
) -> dict[str, Any]:
    """Version 0.4. A link is (from node, output, to node, input name, type)."""
    arrays = [_draw(nodes, number, link) for number, link in enumerate(links, 1)]
    definitions = {"definitions": {"subgraphs": list(subgraphs)}} if subgraphs else {}
    return {"nodes": nodes, "links": arrays, "version": 0.4, **definitions, **members}


def subgraph(
    ident: str,
    nodes: list[dict[str, Any]],
    *links: tuple[Any, ...],
    inputs: tuple[tuple[str, str], ...] = (),
    outputs: tuple[tuple[str, str], ...] = (PICTURE,),
) -> dict[str, Any]:
    """A definition; a link from -10 or to -20 crosses its border at the given slot."""
    arrays = [_draw(nodes, number, link) for number, link in enumerate(links, 1)]
    members = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return {
        "id": ident,
        "nodes": nodes,
        "links": [dict(zip(members, array, strict=True)) for array in arrays],
        "inputs": [_port(port, arrays, 1, slot) for slot, port in enumerate(inputs)],
        "outputs": [_port(port, arrays, 3, slot) for slot, port in enumerate(outputs)],
    }


def _draw(nodes: list[dict[str, Any]], number: int, link: tuple[Any, ...]) -> list[Any]:
    origin, output, target, name, kind = link
    if target == -20:
        return [number, origin, output, target, name, kind]
    inputs = next(each for each in nodes if each["id"] == target)["inputs"]
    inputs.append({"name": name, "type": kind, "link": number})
    return [number, origin, output, target, len(inputs) - 1, kind]


def _port(port: tuple[str, str], arrays: list[list[Any]], end: int, slot: int) -> dict[str, Any]:
    border = {1: -10, 3: -20}[end]
    inside = [array[0] for array in arrays if array[end : end + 2] == [border, slot]]
    return {"name": port[0], "type": port[1], "linkIds": inside}
