// Finds the nodes of this pack that the server speaks of, and remembers what they showed.

import { app } from "../../../scripts/app.js"

export const rootGraph = () => app.rootGraph ?? app.graph // older front ends have only the second

/**
 * The node of this pack with an id on the canvas. Inside a subgraph it is a path: "5:3" is node 3
 * in the subgraph of node 5.
 * @param {string | number} id
 */
export function findNode(id) {
  let graph = rootGraph()
  let node
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part)
    graph = node?.subgraph
  }
  return node?.comfyClass?.startsWith("VisionCraft") ? node : undefined
}

const workflows = new Map() // the id of the workflow that each prompt came from

/**
 * The workflow of a prompt; where none of our nodes has told it, the one on the canvas.
 * @param {string | undefined} prompt
 * @param {string} [told]
 */
export function workflowOf(prompt, told) {
  if (told) workflows.set(prompt, told)
  return workflows.get(prompt) ?? rootGraph()?.id
}

/**
 * What nodes showed last, of all workflows that this page has open. The front end makes the nodes
 * of a workflow anew whenever its tab is entered.
 * @template T
 */
export class Shown {
  /** @param {(node: any, value: T) => void} show */
  constructor(show) {
    this.show = show
    /** @type {Map<string, Map<string, T>>} */
    this.values = new Map()
  }

  /**
   * Another workflow may be open by now, with another node of this id.
   * @param {string} workflow
   * @param {string | number} id
   * @param {T} value
   */
  set(workflow, id, value) {
    if (!this.values.has(workflow)) this.values.set(workflow, new Map())
    this.values.get(workflow)?.set(String(id), value)
    const node = workflow === rootGraph()?.id && findNode(id)
    if (node) this.show(node, value)
  }

  restore() {
    this.values.get(rootGraph()?.id ?? "")?.forEach((value, id) => {
      const node = findNode(id)
      if (node) this.show(node, value)
    })
  }
}

/**
 * ComfyUI's own previews are not saved, but some of them are queued as inputs. The node would run
 * again because of them.
 * @param {any} node
 */
function leaveOutOfPrompt(node) {
  for (const widget of node.widgets) {
    if (widget.serialize === false) widget.options.serialize = false
  }
}

/**
 * The element of one of our widgets on a node. It is added when a node shows something for the first
 * time: a file that is only opened keeps the sizes of its nodes.
 * @param {any} node
 * @param {string} name
 * @template {HTMLElement} E
 * @param {() => E} make
 * @param {(element: E) => object} options
 * @returns {E}
 */
export function elementOn(node, name, make, options) {
  const found = node.widgets?.find((/** @type {any} */ widget) => widget.name === name)
  if (found) return found.element
  const element = make()
  const widget = node.addDOMWidget(name, name, element, { serialize: false, ...options(element) })
  widget.serialize = false // the option is for what is queued, this is for what is saved
  widget.beforeQueued = () => leaveOutOfPrompt(node)
  node.expandToFitContent?.()
  return element
}
