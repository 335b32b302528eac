// What the nodes of this pack say while they run and how it ended, as a line on each of them.

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { elementOn, Shown, workflowOf } from "./canvas.js"
import { tell } from "./routes.js"

const EVENT = "visioncraft.status" // nodes/comfy.py sends it, to the page that queued the run
const LINE_HEIGHT = 14
const MARGIN = 20 // that ComfyUI and the line keep around the text
const CHARACTER_WIDTH = 5.6 // of most texts, on average

const COLORS = { progress: "transparent", info: "#4a90d9", warn: "#d99a2b", error: "#d9534f" }

/** @typedef {{ text: string, severity: keyof typeof COLORS }} Line */

/**
 * Two lines, or up to six where the text is long; the rest scrolls.
 * @param {any} node
 * @param {string} text
 */
function heightOf(node, text) {
  const width = Math.max(120, node.size[0] - 44)
  const lines = Math.ceil((text.length * CHARACTER_WIDTH) / width)
  return Math.min(6, Math.max(2, lines)) * LINE_HEIGHT + MARGIN
}

function makeElement() {
  const element = document.createElement("div")
  element.setAttribute("role", "status")
  Object.assign(element.style, {
    boxSizing: "border-box",
    padding: "1px 6px",
    borderLeft: "3px solid transparent",
    overflowY: "auto",
    overflowWrap: "anywhere",
    userSelect: "text",
    font: `11px/${LINE_HEIGHT}px sans-serif`,
  })
  return element
}

/**
 * @param {any} node
 * @param {Line} line
 */
function show(node, { text, severity }) {
  const element = elementOn(node, "visioncraft_status", makeElement, (made) => {
    const height = () => heightOf(node, made.title)
    return { getMinHeight: height, getMaxHeight: height }
  })
  element.textContent = text
  element.title = text
  element.style.borderLeftColor = COLORS[severity]
  element.style.color =
    severity === "progress" ? "var(--descrip-text, #999)" : "var(--input-text, #ddd)"
  if (severity !== "progress") node.expandToFitContent?.()
  node.setDirtyCanvas?.(true, true)
}

/** @type {Shown<Line>} */
const lines = new Shown(show)

/** @param {Line & { workflow: string, prompt: string, node: string }} detail */
function hear({ workflow, prompt, node, text, severity }) {
  lines.set(workflowOf(prompt, workflow), node, { text, severity })
  if (severity === "warn") tell(severity, text, 20000)
}

// While nobody listened, the last word may have been missed. A node that still works says the next
// one within a second.
function forgetProgress() {
  for (const nodes of lines.values.values()) {
    nodes.forEach(({ severity }, id) => {
      if (severity === "progress") nodes.set(id, { text: "", severity })
    })
  }
  lines.restore()
}

app.registerExtension({
  name: "visioncraft.status",

  setup() {
    api.addEventListener(EVENT, (/** @type {any} */ { detail }) => hear(detail))
    api.addEventListener("reconnected", forgetProgress)
  },

  afterConfigureGraph() {
    lines.restore()
  },
})
