from __future__ import annotations

import copy
from typing import Any

import pytest
from support.canvas_files import (
    NODE_CLASSES,
    OUTER,
    PICTURE,
    STEPS,
    SUBGRAPH,
    TEXT,
    canvas,
    node,
    paint,
    subgraph,
)
from visioncraft.nodes.headless.canvas import workflow
from visioncraft.nodes.headless.canvas.workflow import Link
from visioncraft.visioncraft_core.errors import WorkflowError

SHOWN = (1, 0, 2, "images", "IMAGE")


def read(content: Any) -> workflow.Workflow:
    return workflow.parse(copy.deepcopy(content), NODE_CLASSES, name="flow.json")


def inputs(content: Any, ident: str = "1") -> dict[str, Any]:
    return read(content).nodes[ident].inputs


def refusal(content: Any) -> str:
    with pytest.raises(WorkflowError) as caught:
        read(content)
    return str(caught.value)


# Widget values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["t", 5, "fixed", 30, "heun", 2.5], ("t", 5, 30, "heun", 2.5), id="complete"),
        pytest.param(["t", 5, 30, "heun", 2.5], ("t", 5, 30, "heun", 2.5), id="without control"),
        pytest.param(["t", 5, "randomize", 30], ("t", 5, 30, "euler", 1.5), id="older node"),
        pytest.param(["t", 5, 30], ("t", 5, 30, "euler", 1.5), id="older, without control"),
        pytest.param([], ("", 7, 20, "euler", 1.5), id="empty"),
        pytest.param(None, ("", 7, 20, "euler", 1.5), id="absent"),
        pytest.param(["t", 5, "fixed", 30, "heun", 2.5, "image"], ("t", 5, 30, "heun", 2.5)),
        pytest.param({"steps": 3, "x": 1}, ("", 7, 3, "euler", 1.5), id="by name"),
        pytest.param(["t", None, "fixed", 30], ("t", None, 30, "euler", 1.5), id="null stays"),
    ],
)
def test_widget_values_are_read_as_the_front_end_reads_them(values: Any, expected: Any) -> None:
    names = ("text", "seed", "steps", "sampler", "quality")
    content = canvas([node(1, "Paint", values=values)])
    assert inputs(content) == dict(zip(names, expected, strict=True))


def test_positions_win_over_names_because_the_front_end_restores_by_position() -> None:
    content = canvas([paint(1, widgets_values_named={"steps": 99})])
    assert inputs(content)["steps"] == 30


def test_names_count_where_there_are_no_positions() -> None:
    content = canvas([node(1, "Paint", widgets_values_named={"steps": 99})])
    assert inputs(content)["steps"] == 99


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        pytest.param("Pick", ["b", "fixed", "", 9], {"one": "b", "after": 9}, id="combo filter"),
        pytest.param("Pick", ["b", 9], {"one": "b", "after": 9}, id="combo without control"),
        pytest.param("Say", [9], {"size": 9}, id="forceInput has no place"),
        pytest.param("Say", ["dummy", 9], {"size": 9}, id="forceInput before front end 1.16"),
        pytest.param("Load", ["b.png", "image"], {"image": "b.png"}, id="upload button"),
        pytest.param("Tags", [["x", "y"]], {"tags": ["x", "y"]}, id="several of a list"),
    ],
)
def test_places_that_only_the_front_end_uses_are_skipped(
    kind: str, values: list[Any], expected: dict[str, Any]
) -> None:
    assert inputs(canvas([node(1, kind, values=values)])) == expected


def test_a_linked_widget_takes_the_link_and_keeps_its_place() -> None:
    content = canvas([paint(1), paint(3)], (3, 1, 1, "seed", "INT"))
    assert inputs(content)["seed"] == Link("3", 1)
    assert inputs(content)["steps"] == 30


def test_an_unlinked_socket_is_left_out() -> None:
    assert inputs(canvas([node(1, "Blend", values=[0.7])])) == {"strength": 0.7}


# Links


def test_version_1_links_are_objects() -> None:
    content = canvas([paint(1), node(2, "Show")], SHOWN)
    members = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    content["links"] = [dict(zip(members, link, strict=True)) for link in content["links"]]
    assert inputs(content, "2")["images"] == Link("1", 0)


def test_native_reroutes_change_nothing() -> None:
    reroutes = {"reroutes": [{"id": 1, "linkIds": [1]}], "linkExtensions": [{"id": 1}]}
    content = canvas([paint(1), node(2, "Show")], SHOWN, extra=reroutes)
    assert inputs(content, "2")["images"] == Link("1", 0)


def test_nodes_keep_their_order_and_the_titles_people_gave_them() -> None:
    read_ = read(canvas([node(9, "Show", title="Result"), paint(1)], (1, 0, 9, "images", "IMAGE")))
    assert [(each.id, each.title) for each in read_.nodes.values()] == [("9", "Result"), ("1", "")]


def test_notes_are_dropped() -> None:
    content = canvas([node(1, "Note", values=["hi"]), node(2, "MarkdownNote"), paint(3)])
    assert list(read(content).nodes) == ["3"]


@pytest.mark.parametrize("mode", [0, 2, 4])
def test_reroutes_pass_a_link_through(mode: int) -> None:
    nodes = [paint(1), node(3, "Reroute", mode=mode), node(4, "Reroute"), node(2, "Show")]
    links = [(1, 0, 3, "", "*"), (3, 0, 4, "", "*"), (4, 0, 2, "images", "IMAGE")]
    assert inputs(canvas(nodes, *links), "2")["images"] == Link("1", 0)


def test_a_reroute_without_a_link_gives_nothing() -> None:
    content = canvas([node(3, "Reroute"), node(2, "Show")], (3, 0, 2, "images", "IMAGE"))
    assert inputs(content, "2") == {"safe": True}


@pytest.mark.parametrize("mode", [0, 2, 4])
def test_a_primitive_gives_its_value_to_every_widget_it_is_linked_to(mode: int) -> None:
    nodes = [node(9, "PrimitiveNode", values=[33, "fixed"], mode=mode), paint(1), paint(2)]
    content = canvas(nodes, (9, 0, 1, "steps", "INT"), (9, 0, 2, "seed", "INT"))
    assert (inputs(content)["steps"], inputs(content, "2")["seed"]) == (33, 33)


@pytest.mark.parametrize(
    ("values", "between"), [(None, []), ([33], [node(8, "Reroute")])], ids=["empty", "rerouted"]
)
def test_a_primitive_that_reaches_no_widget_leaves_its_value(values: Any, between: Any) -> None:
    nodes = [node(9, "PrimitiveNode", values=values), paint(1), *copy.deepcopy(between)]
    links = [(9, 0, 8, "", "*"), (8, 0, 1, "steps", "INT")]
    content = canvas(nodes, *(links if between else [(9, 0, 1, "steps", "INT")]))
    assert inputs(content)["steps"] == 30


def test_a_muted_node_vanishes_with_its_links_and_the_widget_counts_again() -> None:
    nodes = [paint(1, mode=2), node(2, "Show"), paint(3)]
    content = canvas(nodes, SHOWN, (1, 1, 3, "steps", "INT"))
    assert "1" not in read(content).nodes
    assert inputs(content, "2") == {"safe": True}
    assert inputs(content, "3")["steps"] == 30


@pytest.mark.parametrize(
    ("arrives", "output", "kind", "passes"),
    [
        pytest.param("image", 0, "IMAGE", True, id="first input of the type"),
        pytest.param("other", 0, "IMAGE", False, id="not a later input of the type"),
        pytest.param("image", 1, "MASK", False, id="no other type"),
        pytest.param("mask", 1, "MASK", True, id="same slot"),
    ],
)
def test_a_bypassed_node_passes_on_what_fits(
    arrives: str, output: int, kind: str, *, passes: bool
) -> None:
    nodes = [node(1, "Load"), node(3, "Blend", mode=4), node(2, "Blend")]
    target = {"IMAGE": "image", "MASK": "mask"}[kind]
    links = [(1, output, 3, arrives, kind), (3, output, 2, target, kind)]
    found = inputs(canvas(nodes, *links), "2").get(target)
    assert found == (Link("1", output) if passes else None)


def test_a_bypassed_node_of_an_unknown_type_passes_on_what_fits_in_the_file() -> None:
    outputs = [{"name": "IMAGE", "type": "IMAGE"}]
    nodes = [paint(1), node(3, "Elsewhere", mode=4, outputs=outputs), node(2, "Show")]
    content = canvas(nodes, (1, 0, 3, "any_name", "IMAGE"), (3, 0, 2, "images", "IMAGE"))
    assert inputs(content, "2")["images"] == Link("1", 0)


def test_a_chain_of_3000_nodes_is_read() -> None:
    nodes = [paint(1), *(node(i, "Blend") for i in range(2, 3001))]
    links = [(i, 0, i + 1, "image", "IMAGE") for i in range(1, 3000)]
    assert inputs(canvas(nodes, *links), "3000")["image"] == Link("2999", 0)


def test_a_chain_of_3000_reroutes_is_read() -> None:
    nodes = [paint(1), *(node(i, "Reroute") for i in range(2, 3001)), node(3001, "Show")]
    links = [(i, 0, i + 1, "", "*") for i in range(1, 3000)]
    content = canvas(nodes, *links, (3000, 0, 3001, "images", "IMAGE"))
    assert inputs(content, "3001")["images"] == Link("1", 0)


# Subgraphs


def definition(**inner: Any) -> dict[str, Any]:
    """Paint (21) into Blend (22), with the inputs steps, text and picture."""
    return subgraph(
        SUBGRAPH,
        [paint(21, **inner), node(22, "Blend", values=[0.7])],
        (-10, 0, 21, "steps", "INT"),
        (-10, 1, 21, "text", "STRING"),
        (-10, 2, 22, "other", "IMAGE"),
        (21, 0, 22, "image", "IMAGE"),
        (22, 0, -20, 0, "IMAGE"),
        inputs=(STEPS, TEXT, ("picture", "IMAGE")),
    )


def instance(ident: int, values: Any = None, kind: str = SUBGRAPH, **members: Any) -> Any:
    return node(ident, kind, values=values, **members)


SUB_SHOWN = (10, 0, 2, "images", "IMAGE")


def test_a_subgraph_is_unfolded_with_the_ids_comfyui_gives() -> None:
    content = canvas([instance(10), node(2, "Show")], SUB_SHOWN, subgraphs=[definition()])
    assert list(read(content).nodes) == ["10:21", "10:22", "2"]
    assert inputs(content, "2")["images"] == Link("10:22", 0)
    assert inputs(content, "10:22")["image"] == Link("10:21", 0)


@pytest.mark.parametrize(
    ("values", "properties", "expected"),
    [
        pytest.param([44, "outer"], {}, (44, "outer"), id="by position"),
        pytest.param([44], {}, (44, "a cat"), id="too few"),
        pytest.param(None, {}, (30, "a cat"), id="none, so the inner values"),
        pytest.param({"text": "outer"}, {}, (30, "outer"), id="by name"),
        pytest.param([], {"proxyWidgets": [["21", "text"]]}, (30, "a cat"), id="proxies, no value"),
        pytest.param(
            ["p", 61], {"proxyWidgets": [["21", "text"], ["-1", "steps"]]}, (61, "p"), id="proxies"
        ),
        pytest.param(
            [44, "outer"],
            {"proxyWidgetErrorQuarantine": [{"originalEntry": ["-1", "steps"], "hostValue": 9}]},
            (9, "outer"),
            id="kept aside by a migration",
        ),
    ],
)
def test_promoted_widgets_get_the_values_of_the_instance(
    values: Any, properties: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    host = instance(10, values, properties=properties)
    found = inputs(canvas([host], subgraphs=[definition()]), "10:21")
    assert (found["steps"], found["text"]) == expected


def test_proxies_reach_inner_widgets_that_are_no_inputs_of_the_subgraph() -> None:
    host = instance(
        10, ["heun?", 0.9], properties={"proxyWidgets": [["21", "sampler"], ["22", "strength"]]}
    )
    content = canvas([host], subgraphs=[definition()])
    assert inputs(content, "10:21")["sampler"] == "heun?"
    assert inputs(content, "10:22")["strength"] == 0.9


def test_the_same_definition_used_twice_keeps_the_values_apart() -> None:
    nodes = [instance(10, [1, "one"]), instance(11, [2, "two"])]
    content = canvas(nodes, (10, 0, 11, "picture", "IMAGE"), subgraphs=[definition()])
    assert inputs(content, "10:21")["text"] == "one"
    assert inputs(content, "11:21")["text"] == "two"
    assert inputs(content, "11:22")["other"] == Link("10:22", 0)


def test_a_link_from_outside_wins_over_the_promoted_value() -> None:
    nodes = [paint(3), instance(10, [44, "outer"])]
    content = canvas(nodes, (3, 1, 10, "steps", "INT"), subgraphs=[definition()])
    assert inputs(content, "10:21")["steps"] == Link("3", 1)
    assert inputs(content, "10:21")["text"] == "outer"


def test_a_primitive_outside_does_not_reach_the_inner_widget() -> None:
    nodes = [node(9, "PrimitiveNode", values=[77]), instance(10, [44, "outer"])]
    content = canvas(nodes, (9, 0, 10, "steps", "INT"), subgraphs=[definition()])
    assert inputs(content, "10:21")["steps"] == 30


def test_one_input_feeds_every_inner_input_it_is_linked_to() -> None:
    shared = subgraph(
        SUBGRAPH,
        [paint(21), paint(22)],
        (-10, 0, 21, "steps", "INT"),
        (-10, 0, 22, "seed", "INT"),
        inputs=(STEPS,),
    )
    content = canvas([instance(10)], subgraphs=[shared])
    assert (inputs(content, "10:21")["steps"], inputs(content, "10:22")["seed"]) == (30, 30)


def nested(values: Any = None, **members: Any) -> dict[str, Any]:
    """The subgraph of `definition` as node 31, followed by Blend (32)."""
    return subgraph(
        OUTER,
        [instance(31, values, **members), node(32, "Blend", values=[0.2])],
        (-10, 0, 31, "steps", "INT"),
        (31, 0, 32, "image", "IMAGE"),
        (32, 0, -20, 0, "IMAGE"),
        inputs=(STEPS,),
    )


@pytest.mark.parametrize(
    ("outer", "inner", "expected"), [([88], [44], 88), (None, [44], 44), (None, None, 30)]
)
def test_in_nested_subgraphs_the_outermost_value_wins(
    outer: Any, inner: Any, expected: int
) -> None:
    content = canvas([instance(10, outer, OUTER)], subgraphs=[nested(inner), definition()])
    assert list(read(content).nodes) == ["10:31:21", "10:31:22", "10:32"]
    assert inputs(content, "10:31:21")["steps"] == expected


def test_proxies_of_proxies_reach_the_innermost_widget() -> None:
    through = {"proxyWidgets": [["21", "sampler"]]}
    host = instance(10, ["deep"], OUTER, properties={"proxyWidgets": [["31", "21: sampler"]]})
    subgraphs = [nested([], properties=through), definition()]
    assert inputs(canvas([host], subgraphs=subgraphs), "10:31:21")["sampler"] == "deep"


@pytest.mark.parametrize(("mode", "expected"), [(2, None), (4, Link("3", 0))])
def test_nothing_inside_an_instance_that_is_off_runs(mode: int, expected: Link | None) -> None:
    nodes = [paint(3), instance(10, mode=mode), node(2, "Show")]
    links = [(3, 0, 10, "picture", "IMAGE"), SUB_SHOWN]
    content = canvas(nodes, *links, subgraphs=[definition()])
    assert list(read(content).nodes) == ["3", "2"]
    assert inputs(content, "2").get("images") == expected


@pytest.mark.parametrize("mode", [2, 4])
def test_nothing_inside_a_nested_instance_that_is_off_runs(mode: int) -> None:
    subgraphs = [nested(mode=mode), definition()]
    assert list(read(canvas([instance(10, kind=OUTER)], subgraphs=subgraphs)).nodes) == ["10:32"]


@pytest.mark.parametrize("inside", ["Reroute", None])
def test_a_subgraph_may_only_pass_a_link_through(inside: str | None) -> None:
    straight = [(-10, 0, -20, 0, "IMAGE")]
    rerouted = [(-10, 0, 4, "", "*"), (4, 0, -20, 0, "IMAGE")]
    nodes = [node(4, inside)] if inside else []
    through = subgraph(SUBGRAPH, nodes, *(rerouted if inside else straight), inputs=(PICTURE,))
    outside = [paint(3), instance(10), node(2, "Show")]
    content = canvas(outside, (3, 0, 10, "IMAGE", "IMAGE"), SUB_SHOWN, subgraphs=[through])
    assert inputs(content, "2")["images"] == Link("3", 0)


def test_definitions_inside_definitions_are_found() -> None:
    outer = nested() | {"definitions": {"subgraphs": [definition()]}}
    assert "10:31:21" in read(canvas([instance(10, kind=OUTER)], subgraphs=[outer])).nodes


# Refusals

LOOP = [node(i, "Blend") for i in (5, 6, 7)]
REROUTES = [node(3, "Reroute"), node(4, "Reroute"), node(2, "Show")]
SELF = subgraph(SUBGRAPH, [instance(21)], outputs=())
FIRST = subgraph(SUBGRAPH, [instance(21, kind=OUTER)], outputs=())
SECOND = subgraph(OUTER, [instance(22)], outputs=())


def drawn(nodes: list[dict[str, Any]], *links: tuple[Any, ...], **members: Any) -> dict[str, Any]:
    return canvas(copy.deepcopy(nodes), *links, **members)


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param(
            drawn(LOOP, *((a, 0, b, "image", "IMAGE") for a, b in ((5, 6), (6, 7), (7, 5)))),
            ("5", "6", "7"),
            id="nodes",
        ),
        pytest.param(drawn(LOOP[:1], (5, 0, 5, "image", "IMAGE")), ("5",), id="itself"),
        pytest.param(
            drawn(REROUTES, (3, 0, 4, "", "*"), (4, 0, 3, "", "*"), (4, 0, 2, "images", "IMAGE")),
            ("3", "4"),
            id="reroutes",
        ),
        pytest.param(canvas([instance(10)], subgraphs=[SELF]), ("21",), id="subgraph in itself"),
        pytest.param(
            canvas([instance(10)], subgraphs=[FIRST, SECOND]), ("21", "22"), id="subgraphs"
        ),
    ],
)
def test_a_circle_is_refused_with_its_nodes(content: Any, ids: tuple[str, ...]) -> None:
    message = refusal(content)
    assert "in a circle" in message
    assert [each for each in ids if each not in message] == []


def test_subgraphs_that_unfold_without_end_are_refused() -> None:
    name = "{:08}-1111-4111-8111-111111111111".format
    levels = [
        subgraph(name(i), [instance(each, kind=name(i + 1)) for each in range(10)], outputs=())
        for i in range(12)
    ]
    assert "unfolded" in refusal(canvas([instance(1, kind=name(0))], subgraphs=levels))


def test_subgraphs_nested_too_deep_are_refused() -> None:
    name = "{:08}-1111-4111-8111-111111111111".format
    levels = [subgraph(name(i), [instance(1, kind=name(i + 1))], outputs=()) for i in range(900)]
    assert "deep" in refusal(canvas([instance(1, kind=name(0))], subgraphs=levels))


def strange(ident: int, kind: str = "KSampler", **members: Any) -> dict[str, Any]:
    return node(ident, kind, outputs=[{"name": "LATENT", "type": "LATENT", "links": []}], **members)


def test_a_label_of_another_pack_changes_nothing() -> None:
    content = canvas([paint(1), node(2, "Show"), node(3, "Label (rgthree)")], SHOWN)
    assert list(read(content).nodes) == ["1", "2"]


def test_a_lost_definition_of_a_subgraph_is_told_as_such() -> None:
    lost = strange(3, "0f5a8a4e-0000-4000-8000-000000000001")
    assert "subgraph whose definition" in refusal(canvas([paint(1), lost]))


def test_numbers_with_a_point_are_ids_and_slots() -> None:
    content = canvas([paint(1), node(2, "Show")], SHOWN)
    (link,) = content["links"]
    content["links"] = [[float(each) if isinstance(each, int) else each for each in link]]
    assert read(content).nodes["2"].inputs["images"] == Link("1", 0)


@pytest.mark.parametrize("saved", [[None], [None, None, None], {"steps": None}])
def test_null_in_an_instance_of_a_subgraph_sets_nothing(saved: Any) -> None:
    inner = subgraph(
        SUBGRAPH,
        [paint(21, ["a cat", 5, "fixed", 31, "heun", 2.5])],
        (-10, 0, 21, "steps", "INT"),
        (21, 0, -20, 0, "IMAGE"),
        inputs=(("steps", "INT"),),
    )
    host = node(10, SUBGRAPH, values=saved, properties={"proxyWidgets": [["-1", "steps"]]})
    assert read(canvas([host], subgraphs=[inner])).nodes["10:21"].inputs["steps"] == 31


def test_one_refusal_names_every_unknown_type_before_anything_else() -> None:
    nodes = [strange(3, "GetNode"), strange(4), strange(5), strange(6, "X", mode=2)]
    content = canvas([*nodes, node(7, "Show")], (99, 0, 7, "images", "IMAGE"))
    message = refusal(content)
    assert "GetNode (node 3), KSampler (node 4, 5)" in message
    assert "X (" not in message


@pytest.mark.parametrize("kind", ["Note", "Reroute", "PrimitiveNode"])
def test_what_only_the_page_has_is_no_node_of_the_api_form(kind: str) -> None:
    content = {"1": {"class_type": "Show", "inputs": {}}, "2": {"class_type": kind, "inputs": {}}}
    assert f"only ComfyUI's page has these nodes: {kind}. Leave notes out" in refusal(content)


def test_unknown_types_inside_a_subgraph_are_named_with_full_ids() -> None:
    unknown = subgraph(SUBGRAPH, [strange(21)])
    assert "KSampler (node 10:21)" in refusal(canvas([instance(10)], subgraphs=[unknown]))


def test_500_unknown_types_fit_into_a_message() -> None:
    message = refusal(canvas([strange(i, f"Unknown{i}" * 9) for i in range(500)]))
    assert len(message) < 300
    assert "more" in message
    assert "replace them" in message


def damaged(**changes: Any) -> dict[str, Any]:
    return canvas([paint(1), node(2, "Show")], SHOWN) | changes


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        pytest.param(damaged(links=[]), "link that is missing", id="link gone"),
        pytest.param(damaged(links=[[1, 9, 0, 2, 0, "I"]]), "node 9, which", id="origin gone"),
        pytest.param(damaged(links=[[1, 1, 7, 2, 0, "I"]]), "output 7 of node 1", id="no output"),
        pytest.param(damaged(links=[[1, 1, -1, 2, 0, "I"]]), "link 1", id="negative slot"),
        pytest.param(damaged(links=[[1, 1]]), "a link is neither", id="short link"),
        pytest.param(damaged(links=[7]), "a link is neither", id="number for a link"),
        pytest.param(
            damaged(links=[[1, 1, 0, 2, 0, "I"], [1, 1, 1, 2, 0, "I"]]), "id 1", id="link id twice"
        ),
        pytest.param(canvas([paint(1), paint("1")]), "id 1", id="node id twice"),
        pytest.param(canvas([paint(None)]), "no usable id", id="no id"),
        pytest.param(canvas([paint(1.5)]), "no usable id", id="id is no number"),
        pytest.param(canvas([paint(1, type=None)]), "no type", id="no type"),
        pytest.param(canvas([paint(1, inputs=[4])]), "damaged", id="input is no object"),
        pytest.param(canvas([paint(1, ["t", float("nan")])]), "input seed", id="NaN"),
        pytest.param(damaged(nodes=[3]), "damaged", id="node is no object"),
        pytest.param(canvas([], subgraphs=[SELF, SELF]), "subgraphs have the id", id="subgraph id"),
    ],
)
def test_a_damaged_canvas_is_refused(content: Any, fragment: str) -> None:
    message = refusal(content)
    assert fragment in message
    assert len(message) < 300
