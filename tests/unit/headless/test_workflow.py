from __future__ import annotations

import copy
import io
import json
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.canvas_files import NODE_CLASSES, SUBGRAPH, canvas, node, paint, subgraph
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless.canvas import workflow
from visioncraft.nodes.headless.canvas.widget_values import NodeTypes
from visioncraft.nodes.headless.canvas.workflow import Link, Workflow
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES as HOST_CLASSES
from visioncraft.visioncraft_core.errors import WorkflowError

API = {
    "3": {
        "class_type": "Paint",
        "inputs": {"text": "a cat", "seed": 5, "upload": "image"},
        "_meta": {"title": "My picture"},
    },
    "8": {"class_type": "Show", "inputs": {"images": ["3", 0]}},
}
CANVAS = canvas(
    [
        paint(1, title="My picture"),
        node(4, "Reroute"),
        node(2, "Show"),
        node(5, "Blend", mode=4, values=[0.1]),
        node(10, SUBGRAPH, values=[44], properties={"proxyWidgets": [["-1", "steps"]]}),
        node(6, "PrimitiveNode", values=[3, "fixed"]),
    ],
    (1, 0, 4, "", "*"),
    (4, 0, 5, "image", "IMAGE"),
    (5, 0, 2, "images", "IMAGE"),
    (6, 0, 1, "seed", "INT"),
    subgraphs=[
        subgraph(
            SUBGRAPH,
            [paint(21), node(22, "Blend")],
            (-10, 0, 21, "steps", "INT"),
            (21, 0, 22, "image", "IMAGE"),
            (22, 0, -20, 0, "IMAGE"),
            inputs=(("steps", "INT"),),
        )
    ],
)


def read(content: Any, name: str = "flow.json") -> Workflow:
    return workflow.parse(copy.deepcopy(content), NODE_CLASSES, name=name)


def refusal(content: Any, name: str = "flow.json") -> str:
    with pytest.raises(WorkflowError) as caught:
        read(content, name)
    return str(caught.value)


def file_refusal(path: Path) -> str:
    with pytest.raises(WorkflowError) as caught:
        workflow.load(path, NODE_CLASSES)
    return str(caught.value)


# The API form


@pytest.mark.parametrize("content", [API, {"prompt": API, "client_id": "x"}], ids=["bare", "post"])
def test_the_api_form_is_read(content: Any) -> None:
    nodes = read(content).nodes
    assert list(nodes) == ["3", "8"]
    assert nodes["3"].inputs == {"text": "a cat", "seed": 5}
    assert nodes["8"].inputs == {"images": Link("3", 0)}
    assert (nodes["3"].title, nodes["8"].title) == ("My picture", "")


def test_a_node_may_be_called_prompt() -> None:
    assert list(read({"prompt": API["3"]}).nodes) == ["prompt"]


def test_an_integer_id_in_a_link_is_the_same_id() -> None:
    content = API | {"8": {"class_type": "Show", "inputs": {"images": [3, 0]}}}
    assert read(content).nodes["8"].inputs == {"images": Link("3", 0)}


def test_wrapped_lists_are_unwrapped() -> None:
    content = {"1": {"class_type": "Tags", "inputs": {"tags": {"__value__": ["x", "y"]}}}}
    assert read(content).nodes["1"].inputs == {"tags": ["x", "y"]}


@pytest.mark.parametrize(
    ("inputs", "meant"),
    [
        pytest.param({"sampler.steps": 9}, {"steps": 9}, id="part of a choice"),
        pytest.param({"sampler.kind.steps": 9}, {"steps": 9}, id="part of a part"),
        pytest.param({"sampler.steps": 9, "steps": 8}, {"steps": 9}, id="before the plain one"),
        pytest.param({"steps": 8, "sampler.steps": 9}, {"steps": 9}, id="after the plain one"),
        pytest.param({"sampler.seed": ["8", 1]}, {"seed": Link("8", 1)}, id="link"),
        pytest.param({"sampler.curve": "auto"}, {}, id="left to the node"),
        pytest.param({"other.steps": 9, "other.curve": 3}, {}, id="of nothing declared"),
        pytest.param({".steps": 9, "sampler.": "auto", ".": 1}, {}, id="dots alone"),
    ],
)
def test_a_part_of_a_choice_is_an_input_of_its_own(
    inputs: dict[str, Any], meant: dict[str, Any]
) -> None:
    content = {"3": {"class_type": "Paint", "inputs": {"sampler": "heun", **inputs}}}
    content["8"] = {"class_type": "Paint", "inputs": {}}
    assert read(content).nodes["3"].inputs == {"sampler": "heun", **meant}


def changed(ident: str, **inputs: Any) -> dict[str, Any]:
    content = copy.deepcopy(API)
    content[ident]["inputs"] |= inputs
    return content


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        pytest.param(changed("8", images=["9", 0]), "linked to node 9", id="node gone"),
        pytest.param(changed("8", images=["3", 2]), "an output that node 3", id="no such output"),
        pytest.param(changed("8", images=["3", -1]), "an output that node 3", id="negative output"),
        pytest.param(changed("8", images=["3"]), "neither a value nor a link", id="short link"),
        pytest.param(changed("8", images=[[], 0]), "no usable id", id="list for an id"),
        pytest.param(changed("3", seed=float("inf")), "input seed of node 3", id="infinity"),
        pytest.param(changed("3", **{"seed.x.crf": 40}), "input seed.x.crf of node 3", id="part"),
        pytest.param(API | {"5": {"inputs": {}}}, "node 5 has no class_type", id="no type"),
        pytest.param(API | {"5": 7}, "node 5 has no class_type", id="no object"),
        pytest.param(API | {3: API["3"]}, "two nodes have the id 3", id="id twice"),
        pytest.param(API | {"5": {"class_type": "KSampler"}}, "KSampler (node 5)", id="unknown"),
        pytest.param(API | {"5": {"class_type": "Show", "inputs": 4}}, "inputs of node 5", id="4"),
    ],
)
def test_a_damaged_api_form_is_refused(content: Any, fragment: str) -> None:
    assert fragment in refusal(content)


def test_a_circle_in_the_api_form_is_refused() -> None:
    content = {
        each: {"class_type": "Blend", "inputs": {"image": [origin, 0]}}
        for each, origin in (("1", "2"), ("2", "1"))
    }
    assert "1, 2, 1" in refusal(content)


def test_a_circle_of_20000_nodes_is_found() -> None:
    content = {
        str(each): {"class_type": "Blend", "inputs": {"image": [str((each + 1) % 20000), 0]}}
        for each in range(20000)
    }
    assert "feed each other in a circle" in refusal(content)


def test_a_chain_of_3000_nodes_in_the_api_form_is_read() -> None:
    content = {
        str(i): {"class_type": "Blend", "inputs": {"image": [str(i - 1), 0]}} for i in range(3000)
    }
    content["0"]["inputs"] = {}
    assert len(read(content).nodes) == 3000


# What is given back


def test_the_prompt_is_what_comfyui_would_execute() -> None:
    content = canvas(
        [paint(1, ["t", 5]), node(2, "Show", title="Result"), node(3, "Tags", values=[["x"]])],
        (1, 0, 2, "images", "IMAGE"),
    )
    paint_inputs = {"text": "t", "seed": 5, "steps": 20, "sampler": "euler", "quality": 1.5}
    assert read(content).prompt() == {
        "1": {"class_type": "Paint", "inputs": paint_inputs, "_meta": {"title": "Paint"}},
        "2": {
            "class_type": "Show",
            "inputs": {"images": ["1", 0], "safe": True},
            "_meta": {"title": "Result"},
        },
        "3": {
            "class_type": "Tags",
            "inputs": {"tags": {"__value__": ["x"]}},
            "_meta": {"title": "Tags"},
        },
    }


def test_a_prompt_is_read_back_as_the_same_nodes() -> None:
    nodes = read(CANVAS).nodes
    again = read(json.loads(json.dumps(read(CANVAS).prompt()))).nodes
    assert {name: each.inputs for name, each in again.items()} == {
        name: each.inputs for name, each in nodes.items()
    }


def test_the_canvas_is_kept_as_loaded_and_the_api_form_has_none() -> None:
    assert read(CANVAS).canvas == CANVAS
    assert read(API).canvas is None


# Setting inputs


@pytest.mark.parametrize(
    ("assignment", "node_id", "name", "value"),
    [
        pytest.param("1.steps=8", "1", "steps", 8, id="INT"),
        pytest.param("1.seed= -3 ", "1", "seed", -3, id="a linked widget, negative"),
        pytest.param("1.quality=0.25", "1", "quality", 0.25, id="FLOAT"),
        pytest.param("1.quality=2", "1", "quality", 2.0, id="FLOAT without a point"),
        pytest.param("2.safe=No", "2", "safe", False, id="BOOLEAN no"),
        pytest.param("2.safe=1", "2", "safe", True, id="BOOLEAN 1"),
        pytest.param("1.text= a=b.c ", "1", "text", " a=b.c ", id="STRING verbatim"),
        pytest.param("1.text=", "1", "text", "", id="STRING empty"),
        pytest.param("1.sampler=other", "1", "sampler", "other", id="list verbatim"),
        pytest.param("9.amount=2", "9", "amount", 2, id="list of numbers"),
        pytest.param("My picture.steps=8", "1", "steps", 8, id="by title"),
        pytest.param("Paint (a.b = c).steps=8", "11", "steps", 8, id="title with parentheses"),
        pytest.param("Batch.amount=2", "9", "amount", 2, id="by class"),
        pytest.param("Batch=2", "9", "amount", 2, id="by the node, which has one widget"),
        pytest.param("Size = 1.5.size=8", "7", "size", 8, id="title with = and dots"),
        pytest.param("7.text=x", "7", "text", "x", id="a socket of a plain type"),
        pytest.param("10:21.steps=8", "10:21", "steps", 8, id="inside a subgraph"),
    ],
)
def test_set_gives_an_input_a_value_of_its_type(
    assignment: str, node_id: str, name: str, value: Any
) -> None:
    content = copy.deepcopy(CANVAS)
    content["nodes"] += [
        *(node(7, "Say", title="Size = 1.5"), node(9, "Batch", values=[1])),
        paint(11, title="Paint (a.b = c)"),
    ]
    found = read(content)
    found.set(assignment)
    assert found.nodes[node_id].inputs[name] == value
    assert type(found.nodes[node_id].inputs[name]) is type(value)


@pytest.mark.parametrize(
    ("assignment", "fragments"),
    [
        pytest.param("99.steps=8", ('no node "99"', "1 My picture", "2 Show"), id="node"),
        pytest.param("1.stepz=8", ('no input "stepz"', "text, seed, steps"), id="input"),
        pytest.param("1.steps=many", ('"many" does not fit', "a whole number"), id="INT"),
        pytest.param("1.steps=1_0", ("a whole number",), id="INT with underscore"),
        pytest.param(f"1.steps={'9' * 5000}", ("a whole number",), id="INT too long"),
        pytest.param("1.quality=nan", ("a number",), id="NaN"),
        pytest.param("1.quality=1e999", ("a number",), id="infinity"),
        pytest.param("2.safe=maybe", ("true or false",), id="BOOLEAN"),
        pytest.param("2.images=x", ("a link from a node", "IMAGE"), id="socket"),
        pytest.param("steps=8", ("Did you mean 1.steps, 10:21.steps, 7.steps",), id="no node"),
        pytest.param("stepz=8", ("Did you mean 1.steps, 10:21.steps",), id="no node, misspelt"),
        pytest.param("1=8", ("which input of its node", "1.text, 1.seed"), id="no input"),
        pytest.param("1.steps", ("is not NODE.INPUT=VALUE",), id="no value"),
        pytest.param("", ("is not NODE.INPUT=VALUE",), id="empty"),
        pytest.param("Twin.steps=8", ("Several nodes", "7, 8", "Use the node id"), id="title"),
        pytest.param(f"{'x' * 999}.y=1", ("There is no node",), id="long"),
    ],
)
def test_set_refuses_what_does_not_exist_or_fit(assignment: str, fragments: Any) -> None:
    content = copy.deepcopy(CANVAS)
    content["nodes"] += [paint(7, title="Twin"), paint(8, title="Twin")]
    found = read(content)
    with pytest.raises(WorkflowError) as caught:
        found.set(assignment)
    message = str(caught.value)
    assert [each for each in fragments if each not in message] == []
    assert len(message) < 300


def test_a_refused_set_changes_nothing() -> None:
    found = read(CANVAS)
    with pytest.raises(WorkflowError):
        found.set("1.steps=many")
    assert found.prompt() == read(CANVAS).prompt()


# Files


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def picture(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + b"".join(chunks) + chunk(b"IEND", b"")


def text(keyword: str, content: object) -> bytes:
    return chunk(b"tEXt", keyword.encode() + b"\0" + json.dumps(content).encode("latin-1"))


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(CANVAS), encoding="utf-8")
    assert workflow.load(str(path), NODE_CLASSES).nodes == read(CANVAS).nodes


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(API), encoding="utf-8-sig")
    assert list(workflow.load(path, NODE_CLASSES).nodes) == ["3", "8"]


PACKED = zlib.compress(json.dumps(API).encode())


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param(picture(text("prompt", API)), ["3", "8"], id="prompt"),
        pytest.param(
            picture(text("prompt", API), text("workflow", canvas([paint(1)]))), ["1"], id="both"
        ),
        pytest.param(picture(chunk(b"zTXt", b"prompt\0\0" + PACKED)), ["3", "8"], id="zTXt"),
        pytest.param(
            picture(chunk(b"iTXt", b"prompt\0\1\0\0\0" + PACKED)), ["3", "8"], id="packed iTXt"
        ),
        pytest.param(
            picture(chunk(b"iTXt", b"prompt\0\0\0en\0\0" + json.dumps(API).encode())),
            ["3", "8"],
            id="iTXt",
        ),
    ],
)
def test_a_picture_that_contains_a_workflow_is_read(
    tmp_path: Path, content: bytes, ids: list[str]
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    assert list(workflow.load(path, NODE_CLASSES).nodes) == ids


def test_nan_that_comfyui_wrote_beside_the_inputs_does_no_harm(tmp_path: Path) -> None:
    # ComfyUI stores IS_CHANGED results in the picture, and NaN is a usual one.
    path = tmp_path / "picture.png"
    changed_ = copy.deepcopy(API)
    changed_["3"]["is_changed"] = [float("nan")]
    path.write_bytes(picture(text("prompt", changed_)))
    assert list(workflow.load(path, NODE_CLASSES).nodes) == ["3", "8"]


TWICE = '{"1": {"class_type": "Show"}, "1": {"class_type": "Show"}}'


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        pytest.param(b"", "this file is empty", id="empty"),
        pytest.param(b"\xef\xbb\xbf \r\n", "this file is empty", id="only blanks"),
        pytest.param(b"{", "not valid JSON (line 1", id="half"),
        pytest.param(b"\xff\xfe\0", "UTF-8", id="not UTF-8"),
        pytest.param(b"[" * 200_000, "nested too deep", id="deep"),
        pytest.param(b"[" * 150 + b"]" * 150, "nested too deep", id="deeper than a workflow"),
        pytest.param(b"9" * 5000, "too long", id="long number"),
        pytest.param(TWICE.encode(), "two nodes have the id 1", id="repeated key"),
        pytest.param(b"[]", "not a workflow", id="list"),
        pytest.param(b'"text"', "not a workflow", id="string"),
        pytest.param(b"null", "not a workflow", id="null"),
        pytest.param(b"{}", "not a workflow", id="no members"),
        pytest.param(b'{"openapi": "3.1.0", "paths": {"/x": {}}}', "not a workflow", id="OpenAPI"),
        pytest.param(b'{"nodes": [], "connections": {}}', "not a workflow", id="another program"),
        pytest.param(b'{"prompt": "a cat"}', "not a workflow", id="prompt is a text"),
        pytest.param(picture(), "file contains no workflow", id="plain picture"),
        pytest.param(picture()[:20], "file contains no workflow", id="cut picture"),
        pytest.param(picture(chunk(b"tEXt", b"prompt\0{")), "not valid JSON", id="broken chunk"),
        pytest.param(picture(chunk(b"zTXt", b"prompt\0\0x")), "not valid JSON", id="broken zlib"),
        pytest.param(b"GIF89a\xff", "file contains no workflow", id="other picture"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused(
    tmp_path: Path, content: bytes, fragment: str
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    message = file_refusal(path)
    assert fragment in message
    assert message.startswith("file.json: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in file_refusal(tmp_path / "nowhere.json")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "a folder" in file_refusal(tmp_path)


@pytest.mark.parametrize(
    ("written", "shown"),
    [(".", "inner"), ("..", "outer"), ("./", "inner"), ("", "inner"), ("../inner", "inner")],
)
def test_a_folder_is_called_by_its_name_however_it_is_written(
    written: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "inner")
    assert file_refusal(Path(written)).startswith(f"{shown}: this is a folder")


def test_the_root_is_called_by_its_path() -> None:
    root = Path(Path.cwd().anchor)
    assert file_refusal(root).startswith(f"{root}: this is a folder")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such devices")
def test_a_device_is_refused() -> None:
    assert "not a regular file" in file_refusal(Path("/dev/zero"))


def test_an_impossible_path_is_refused() -> None:
    assert "cannot be read" in file_refusal(Path("a\0b"))


@pytest.mark.parametrize("name", ["x" * 5000, "line\nbreak\x1b[31m", "\ud800"])
def test_a_strange_name_keeps_the_message_short_and_printable(name: str) -> None:
    message = refusal({}, name)
    assert len(message) < 300
    assert message.isprintable()
    assert "Choose a workflow" in message


def test_a_structure_that_contains_itself_is_refused() -> None:
    content: dict[str, Any] = {"nodes": [], "links": []}
    content["again"] = [content, content]
    assert "nested too deep" in refusal(content)


# Damage at any place

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "21", SUBGRAPH, "Paint", "Reroute", -10, -20, 0, 2, 4, 10**400])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list: (container, key)."""
    if isinstance(content, dict):
        pairs = list(content.items())
    elif isinstance(content, list):
        pairs = list(enumerate(content))
    else:
        return []
    return [(content, at) for at, _ in pairs] + [p for _, inner in pairs for p in places(inner)]


@given(data=st.data())
@pytest.mark.parametrize("original", [CANVAS, API], ids=["canvas", "api"])
def test_damage_at_any_place_gives_a_workflow_or_a_refusal(original: Any, data: Any) -> None:
    content = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 4))):
        container, at = data.draw(st.sampled_from(places(content) or [({}, "x")]))
        if data.draw(st.booleans()):
            container.pop(at, None) if isinstance(container, dict) else container.pop(at)
        else:
            container[at] = data.draw(JSON)
    try:
        found = read(content)
    except WorkflowError as error:
        assert len(str(error)) < 300
        return
    json.dumps(found.prompt(), allow_nan=False)


@given(content=JSON)
def test_any_json_gives_a_workflow_or_a_refusal(content: Any) -> None:
    try:
        read(content)
    except WorkflowError as error:
        assert "JSON" in str(error) or "node" in str(error)


# Other files that hold a workflow


def webp(**members: str) -> bytes:
    exif = Image.Exif()
    for number, (name, text) in enumerate(members.items()):
        exif[0x0110 - number] = f"{name}:{text}"
    return saved("WEBP", exif=exif.tobytes())


def saved(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, form, **options)
    return buffer.getvalue()


def film(**tags: str) -> bytes:
    buffer = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(buffer, "w", format="mp4", options=options) as container:
        container.metadata.update(tags)
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in (*stream.encode(picture), *stream.encode()):
            container.mux(packet)
    return buffer.getvalue()


TEXT = json.dumps(API, ensure_ascii=False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(webp(prompt=TEXT), id="webp"),
        pytest.param(webp(workflow="{broken", prompt=TEXT), id="webp with an unusable workflow"),
        pytest.param(saved("GIF", comment=json.dumps({"prompt": API}).encode()), id="gif"),
        pytest.param(saved("JPEG", comment=json.dumps({"prompt": TEXT}).encode()), id="jpeg"),
        pytest.param(film(prompt=TEXT), id="mp4"),
        pytest.param(film(comment=json.dumps({"prompt": TEXT})), id="mp4 with a comment"),
        pytest.param(picture(chunk(b"comf", b"prompt\0" + TEXT.encode())), id="animated png"),
        pytest.param(
            picture(
                chunk(b"tEXt", b"workflow\0undefined"), chunk(b"tEXt", b"prompt\0" + TEXT.encode())
            ),
            id="png with an unusable workflow",
        ),
        pytest.param(TEXT.replace("5", "NaN").encode(), id="NaN"),
    ],
)
def test_a_workflow_is_found_in_every_file_that_comfyui_and_its_packs_write(
    content: bytes, tmp_path: Path
):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert list(workflow.load(path, NODE_CLASSES).nodes) == ["3", "8"]


def test_text_in_utf_8_is_read_wherever_a_picture_holds_it(tmp_path: Path):
    api = {**API, "3": {**API["3"], "inputs": {"text": "Gr\u00fc\u00dfe \U0001f98a"}}}
    text = json.dumps(api, ensure_ascii=False).encode()
    path = tmp_path / "a.png"
    for body in (
        chunk(b"tEXt", b"prompt\0" + text),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(text)),
        chunk(b"iTXt", b"prompt\0\0\0\0\0" + text),
    ):
        path.write_bytes(picture(body))
        nodes = workflow.load(path, NODE_CLASSES).nodes
        assert nodes["3"].inputs["text"] == "Gr\u00fc\u00dfe \U0001f98a"


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path: Path):
    path = tmp_path / "a.png"
    packed = zlib.compress(b"[" + b"[]," * 10_000_000 + b"[]]")
    for body in (
        [chunk(b"zTXt", b"workflow\0\0" + packed)],
        [chunk(b"zTXt", b"workflow\0\0" + packed)] * 60,
    ):
        path.write_bytes(picture(*body))
        assert "too large" in file_refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"nodes":[' + "[]," * 1_400_000 + '0],"links":[]}',
        '{"nodes":[' + "1," * 1_400_000 + '0],"links":[]}',
        '{"nodes":[' + '{"a":1},' * 220_000 + '0],"links":[]}',
        '{"1":{"class_type":"\U0001f98a' + "x" * 17_000_000 + '"}}',
        '{"1":{"class_type":"\\ud83e\\udd8a' + "x" * 28_000_000 + '"}}',
    ],
    ids=["lists", "numbers", "objects", "wide", "wide by escapes"],
)
def test_json_is_not_read_where_it_would_cost_too_much(text: str, tmp_path: Path):
    path = tmp_path / "flow.json"
    path.write_text(text, "utf-8")
    with pytest.raises(WorkflowError, match="too large to be a workflow"):
        workflow.load(path, NODE_CLASSES)


def test_a_long_text_of_a_workflow_is_read(tmp_path: Path):
    path = tmp_path / "flow.json"
    text = "\U0001f98a" + "x," * 300_000
    path.write_text(json.dumps({"1": {"class_type": "Paint", "inputs": {"text": text}}}))
    assert workflow.load(path, NODE_CLASSES).nodes["1"].inputs["text"] == text


def test_more_nodes_than_anyone_draws_are_refused():
    many = {str(number): {"class_type": "Show"} for number in range(20_001)}
    with pytest.raises(WorkflowError, match="more than 20000 nodes"):
        read(many)


@pytest.mark.parametrize("kind", ["Reroute", "Blend"])
def test_many_inputs_behind_many_reroutes_are_traced_once(kind: str):
    """Step by step for each of them it would be six million steps."""
    long = [node(f"r{number}", kind, mode=0 if kind == "Reroute" else 4) for number in range(3000)]
    for each in long:
        each["outputs"] = [{"type": "*" if kind == "Reroute" else "IMAGE"}]
    shows = [node(f"s{number}", "Show") for number in range(2000)]
    name = "" if kind == "Reroute" else "image"
    chain = [("p" if n == 0 else f"r{n - 1}", 0, f"r{n}", name, "IMAGE") for n in range(3000)]
    ends = [("r2999", 0, f"s{number}", "images", "IMAGE") for number in range(2000)]
    drawn = canvas_of([paint("p"), *long, *shows], chain + ends)
    started = time.process_time()
    nodes = workflow.parse(drawn, NODE_CLASSES, name="flow").nodes
    assert time.process_time() - started < 5
    assert all(nodes[f"s{number}"].inputs["images"] == Link("p", 0) for number in range(2000))


def canvas_of(nodes: list[dict[str, Any]], links: list[tuple[Any, ...]]) -> dict[str, Any]:
    """As `canvas`, for thousands of links."""
    found = {each["id"]: each for each in nodes}
    for number, (_, _, target, name, kind) in enumerate(links):
        found[target]["inputs"].append({"name": name, "type": kind, "link": number})
    arrays = [[n, a, slot, b, 0, kind] for n, (a, slot, b, _, kind) in enumerate(links)]
    return {"nodes": nodes, "links": arrays, "version": 0.4}


def test_a_subgraph_of_thousands_of_promoted_widgets_is_read():
    names = [f"w{number}" for number in range(3000)]
    inner = node(1, "Other", inputs=[])
    links = [(-10, slot, 1, name, "INT") for slot, name in enumerate(names)]
    definition = subgraph(SUBGRAPH, [inner], *links, inputs=(("w0", "INT"),), outputs=())
    definition["inputs"] = [
        {"name": f"p{n}", "type": "INT", "linkIds": [n + 1]} for n in range(3000)
    ]
    for slot in inner["inputs"]:
        slot["widget"] = {"name": slot["name"]}
    proxies = {"proxyWidgets": [["1", name] for name in names]}
    host = node(5, SUBGRAPH, mode=4, values=[7] * 3000, properties=proxies)
    started = time.process_time()
    states = read(canvas([host], subgraphs=[definition])).states
    assert time.process_time() - started < 5
    assert next(state for state in states if state.id == "5").title == ""


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("SDXL Generate", "VisionCraftGenerateXL"),
        ("SDXL Generate (txt2img)", "VisionCraftGenerateXL"),
        ("VisionCraftGenerateLX", "VisionCraftGenerateXL"),
        ("Save Image", "SaveImage"),
        ("saveimage", "SaveImage"),
        ("LLM Prompt (Chat)", "VisionCraftLLM"),
    ],
)
def test_a_class_is_known_by_what_the_page_calls_it(asked: str, meant: str) -> None:
    types = NodeTypes({**HOST_CLASSES, **NODE_CLASS_MAPPINGS})
    assert types.similar(asked).startswith(f"Did you mean {meant}")
    assert types.similar("KSampler Advanced Efficient") == ""
