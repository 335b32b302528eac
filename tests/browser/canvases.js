// Workflows that are hard to read, built in the page with the front end's own graph, so that each
// front end saves them in its own way. Evaluates to functions by name.
(() => {
  const MUTED = 2
  const BYPASSED = 4
  let graph // where `add` puts nodes

  function add(type, values = {}, mode = 0) {
    const node = LiteGraph.createNode(type)
    if (!node) throw new Error(`no node ${type}`)
    node.pos = [graph.nodes.length * 320, 80]
    graph.add(node)
    for (const [name, value] of Object.entries(values)) {
      const widget = node.widgets?.find((each) => each.name === name)
      if (!widget) throw new Error(`no widget ${name} in ${type}`)
      widget.value = value
    }
    node.mode = mode
    return node
  }

  const input = (node, name) => node.inputs.findIndex((slot) => slot.name === name)

  function wire(from, output, to, name) {
    const link = from.connect(output, to, typeof name === "number" ? name : input(to, name))
    if (!link) throw new Error(`no link from ${from.type} to ${name} of ${to.type}`)
    return link
  }

  const generate = (values, mode) => add("VisionCraftGenerateXL", { seed: 5, ...values }, mode)
  const again = (from, values, mode) => {
    const node = add("VisionCraftImg2Img", { seed: 6, ...values }, mode)
    wire(from, 0, node, "image")
    return node
  }
  const save = (from, output = 0) => {
    const node = add("SaveImage")
    wire(from, output, node, "images")
    return node
  }
  const say = (from, output = 0) => {
    const node = add("PreviewAny")
    wire(from, output, node, "source")
    return node
  }

  function wrap(...nodes) {
    const { subgraph, node } = graph.convertToSubgraph(new Set(nodes))
    return [node, subgraph]
  }

  // Shows a widget of an inner node on the instance, as an input of the subgraph.
  function promote(subgraph, moved, name) {
    const node = subgraph.getNodeById(moved.id) // newer front ends make another of it
    const at = input(node, name)
    if (node.inputs[at].link != null) return // newer front ends show a seed on their own
    const port = subgraph.addInput(name, String(node.inputs[at].type))
    port.connect(node.inputs[at], node)
  }

  // As the user does it, because older front ends then mute what is inside, too.
  async function toggle(node, how) {
    app.canvas.selectNodes([node])
    await app.extensionManager.command.execute(`Comfy.Canvas.ToggleSelectedNodes.${how}`)
  }

  const widget = (node, name) => node.widgets.find((each) => each.name === name)

  const canvases = {
    "promoted widgets in nested subgraphs"() {
      const first = generate({ prompt: "inside", width: 512 })
      const saved = save(first)
      const [inner, innerGraph] = wrap(first)
      promote(innerGraph, first, "prompt")
      promote(innerGraph, first, "width")
      const [outer, outerGraph] = wrap(inner)
      promote(outerGraph, inner, "prompt")
      wire(outer, 0, saved, "images")
      widget(outer, "prompt").value = "outside"
    },

    "two instances with values of their own"() {
      const first = generate({ prompt: "one", height: 256 })
      save(first)
      const [instance, definition] = wrap(first)
      promote(definition, first, "prompt")
      promote(definition, first, "seed")
      const twin = add(definition.id)
      save(twin)
      widget(instance, "prompt").value = "left"
      widget(twin, "prompt").value = "right"
      widget(twin, "seed").value = 99
    },

    "a promoted widget that a link feeds"() {
      const first = generate({ prompt: "inside" })
      save(first)
      const [instance, definition] = wrap(first)
      promote(definition, first, "prompt")
      promote(definition, first, "negative_prompt")
      const text = add("PrimitiveString", { value: "from a link" })
      wire(text, 0, instance, "prompt")
      widget(instance, "negative_prompt").value = "outside"
    },

    "bypassed nodes"() {
      const first = generate()
      const second = again(first, {}, BYPASSED)
      const third = again(second, {}, BYPASSED)
      save(third)
      say(third, 1)
      const text = add("VisionCraftLLM", { prompt: "words" }, BYPASSED)
      const told = generate({ prompt: "own words" })
      wire(text, 0, told, "prompt")
      save(told)
    },

    "muted nodes"() {
      const first = generate({}, MUTED)
      save(first)
      const text = add("PrimitiveString", { value: "muted" }, MUTED)
      const second = generate({ prompt: "counts again" })
      wire(text, 0, second, "prompt")
      save(second)
    },

    "muted and bypassed nodes in subgraphs"() {
      const first = generate()
      const second = again(first)
      const third = again(second)
      save(third)
      const text = add("PrimitiveString", { value: "muted inside" })
      const told = generate({ prompt: "counts again" })
      wire(text, 0, told, "prompt")
      save(told)
      second.mode = BYPASSED
      text.mode = MUTED
      wrap(second, third)
      wrap(text, told)
    },

    async "muted and bypassed subgraphs"() {
      const first = generate()
      const second = again(first)
      save(second)
      const third = again(first)
      save(third)
      const [bypassed] = wrap(second)
      const [muted] = wrap(third)
      await toggle(bypassed, "Bypass")
      await toggle(muted, "Mute")
    },

    "reroutes"() {
      const first = generate()
      const [one, two] = [add("Reroute"), add("Reroute")]
      wire(first, 0, one, 0)
      wire(one, 0, two, 0)
      save(two)
      const text = add("PrimitiveString", { value: "around" })
      const turn = add("Reroute")
      wire(text, 0, turn, 0)
      const second = generate({ prompt: "own" })
      wire(turn, 0, second, "prompt")
      const link = wire(second, 0, save(first), "images")
      const bend = graph.createReroute([100, 400], link)
      graph.createReroute([200, 500], bend.firstLink ?? link)
    },

    "reroutes into and inside a subgraph"() {
      const first = generate()
      const turn = add("Reroute")
      wire(first, 0, turn, 0)
      const second = again(turn)
      const after = add("Reroute")
      wire(second, 0, after, 0)
      save(after)
      wrap(turn, second)
      wrap(after)
    },

    "values that a primitive writes"() {
      const first = generate()
      const second = generate()
      const seed = add("PrimitiveNode")
      wire(seed, 0, first, "seed")
      wire(seed, 0, second, "seed")
      seed.widgets[0].value = 1234
      const width = add("PrimitiveNode")
      wire(width, 0, first, "width")
      width.widgets[0].value = 640
      const model = add("PrimitiveNode")
      wire(model, 0, second, "model")
      save(first)
      save(second)
    },

    "primitives of the server"() {
      const first = generate({ prompt: "own" })
      wire(add("PrimitiveString", { value: "one line" }), 0, first, "prompt")
      wire(add("PrimitiveStringMultiline", { value: "two\nlines" }), 0, first, "negative_prompt")
      wire(add("PrimitiveInt", { value: 704 }), 0, first, "width")
      const second = again(first)
      wire(add("PrimitiveFloat", { value: 0.25 }), 0, second, "strength")
      save(second)
    },

    "removed links and nodes"() {
      const first = generate({ prompt: "kept" })
      const text = add("VisionCraftLLM", { prompt: "gone" })
      wire(text, 0, first, "prompt")
      graph.remove(text)
      const second = again(first)
      const third = again(first)
      second.disconnectInput(input(second, "image"))
      third.disconnectInput(input(third, "image"))
      wire(second, 0, third, "image")
      wire(first, 0, second, "image")
      save(third)
    },

    "names of a list"() {
      const list = add("VisionCraftCatalog")
      const first = generate()
      wire(list, 1, first, "model")
      save(first)
      say(list, 2)
      const second = generate()
      wire(list, 0, second, "model")
      save(second)
      wrap(list, first)
    },

    "an input of a subgraph that leads to two nodes"() {
      const text = add("PrimitiveString", { value: "for both" })
      const first = generate({ prompt: "a" })
      const second = generate({ prompt: "b" })
      wire(text, 0, first, "prompt")
      wire(text, 0, second, "prompt")
      save(first)
      save(second)
      const [instance] = wrap(first, second)
      instance.disconnectInput(input(instance, "prompt"))
    },

    "a node that only passes through a subgraph"() {
      const first = generate()
      const turn = add("Reroute")
      wire(first, 0, turn, 0)
      const second = again(turn)
      save(turn)
      save(second)
      const [instance] = wrap(turn)
      const [outer] = wrap(instance, second)
      outer.title = "all"
    },

    "primitives that write through a reroute or into a subgraph"() {
      const first = generate({ prompt: "own", width: 512, height: 512 })
      save(first)
      const [instance, definition] = wrap(first)
      promote(definition, first, "width")
      promote(definition, first, "prompt")
      const width = add("PrimitiveNode")
      wire(width, 0, instance, "width")
      if (width.widgets?.length) width.widgets[0].value = 640
      const second = generate({ height: 512 })
      save(second)
      const turn = add("Reroute")
      wire(turn, 0, second, "height")
      const height = add("PrimitiveNode")
      height.connect(0, turn, 0)
    },

    "a promoted widget of a node that does not run"() {
      const first = generate({ prompt: "one" })
      const second = generate({ prompt: "two" }, BYPASSED)
      save(first)
      save(second)
      const text = add("PrimitiveString", { value: "for both" })
      wire(text, 0, second, "prompt")
      wire(text, 0, first, "prompt")
      const [instance] = wrap(first, second)
      instance.disconnectInput(input(instance, "prompt"))
      graph.remove(text)
    },

    "three levels with values on each"() {
      const first = generate({ prompt: "0", negative_prompt: "n0", width: 512, height: 512 })
      save(first)
      let [instance, definition] = wrap(first)
      promote(definition, first, "prompt")
      promote(definition, first, "negative_prompt")
      promote(definition, first, "width")
      widget(instance, "negative_prompt").value = "n1"
      widget(instance, "width").value = 576
      const inner = instance
      ;[instance, definition] = wrap(inner)
      promote(definition, inner, "prompt")
      promote(definition, inner, "width")
      widget(instance, "width").value = 640
      const middle = instance
      ;[instance, definition] = wrap(middle)
      promote(definition, middle, "prompt")
      widget(instance, "prompt").value = "3"
    },

    "a choice that a list gives through subgraphs"() {
      const list = add("VisionCraftCatalog")
      const first = generate()
      wire(list, 0, first, "model")
      save(first)
      const [instance] = wrap(first)
      const [outer] = wrap(list)
      wrap(instance)
      outer.title = "list"
    },

    async "a subgraph that is muted inside another"() {
      const first = generate({ prompt: "kept" })
      const text = add("VisionCraftLLM", { prompt: "words" })
      wire(text, 0, first, "prompt")
      save(first)
      const [told] = wrap(text)
      await toggle(told, "Mute")
      const [bypassed] = wrap(first)
      const [outer] = wrap(told, bypassed)
      outer.title = "outer"
    },

    "muted and bypassed reroutes"() {
      const first = generate()
      const turn = add("Reroute", {}, BYPASSED)
      wire(first, 0, turn, 0)
      save(turn)
      const list = add("VisionCraftCatalog", {}, BYPASSED)
      const second = generate({ model: "sdxl-turbo" })
      wire(list, 0, second, "model")
      save(second)
    },

    "odd values"() {
      const text = ' "quoted" \\ [a|b] \u{1F98A} \n\ttab <lora:x:1> %date% '
      const first = add("VisionCraftGenerate", {
        prompt: text, negative_prompt: "", cfg_scale: 7, image_count: 3, seed: 2 ** 53 - 1,
      })
      const loras = add("VisionCraftLoraStack", { weight: -0.5, enabled: false })
      wire(loras, 0, first, "loras")
      const saved = save(first)
      widget(saved, "filename_prefix").value = "VisionCraft/%VisionCraftGenerate.cfg_scale%"
      add("Note")
      add("MarkdownNote")
      const video = add("VisionCraftImg2Video")
      wire(first, 0, video, "image")
      wire(video, 0, add("SaveVideo"), "video")
    },
  }

  return Object.fromEntries(
    Object.entries(canvases).map(([name, build]) => [
      name,
      () => {
        graph = app.rootGraph ?? app.graph
        return build()
      },
    ]),
  )
})()
