// What the nodes of this pack say while they run and how it ended, as a line on each of them.

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"

const EVENT = "visioncraft.status" // nodes/comfy.py sends it, to the page that queued the run
const WIDGET = "visioncraft_status"
const HEIGHT = 44 // two lines and the margin that ComfyUI keeps around an element

const rootGraph = () => app.rootGraph ?? app.graph // older front ends have only the second

// Inside a subgraph an id is a path: "5:3" is node 3 in the subgraph of node 5.
function findNode(id) {
  let graph = rootGraph()
  let node
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part)
    graph = node?.subgraph
  }
  return node?.comfyClass?.startsWith("VisionCraft") ? node : undefined
}

const findWidget = (node) => node.widgets?.find((widget) => widget.name === WIDGET)

// It is added when a node says something for the first time: a file that is only opened keeps the
// sizes of its nodes, and a node that never says anything has no empty line.
function addWidget(node) {
  const element = document.createElement("div")
  Object.assign(element.style, {
    boxSizing: "border-box",
    overflowY: "auto",
    overflowWrap: "anywhere",
    font: "11px/12px sans-serif",
    color: "var(--descrip-text, #999)",
  })
  const widget = node.addDOMWidget(WIDGET, WIDGET, element, {
    serialize: false,
    getMinHeight: () => HEIGHT,
    getMaxHeight: () => HEIGHT,
  })
  widget.serialize = false // the option is for what is queued, this is for what is saved
  node.expandToFitContent?.()
  return widget
}

function show({ workflow, node: id, text }) {
  // Another workflow may be open by now, with another node of this id.
  if (workflow && workflow !== rootGraph()?.id) return
  const node = findNode(id)
  if (!node) return
  const { element } = findWidget(node) ?? addWidget(node)
  element.textContent = text
  element.title = text
  node.setDirtyCanvas?.(true, true)
}

function forEachNode(graph, visit) {
  for (const node of graph?.nodes ?? []) {
    visit(node)
    forEachNode(node.subgraph, visit)
  }
}

// While nobody listened, the last word may have been missed. A node that still works says the next
// one within a second.
function forgetAll() {
  forEachNode(rootGraph(), (node) => {
    const widget = findWidget(node)
    if (widget) widget.element.textContent = widget.element.title = ""
  })
}

app.registerExtension({
  name: "visioncraft.status",

  setup() {
    api.addEventListener(EVENT, ({ detail }) => show(detail))
    api.addEventListener("reconnected", forgetAll)
  },
})
