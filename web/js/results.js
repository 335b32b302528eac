// The text that a language model answered, on the node that asked. ComfyUI itself shows pictures,
// animations and videos.

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { elementOn, Shown, workflowOf } from "./canvas.js"

const MIN_HEIGHT = 90

function makeElement() {
  const element = document.createElement("textarea") // of which every front end lets one copy
  element.readOnly = true
  element.className = "comfy-multiline-input"
  Object.assign(element.style, { resize: "none", background: "var(--comfy-input-bg, #222)" })
  element.setAttribute("aria-label", "answer")
  return element
}

/**
 * @param {any} node
 * @param {string} text
 */
function show(node, text) {
  const options = () => ({ getMinHeight: () => MIN_HEIGHT })
  elementOn(node, "visioncraft_text", makeElement, options).value = text
  node.setDirtyCanvas?.(true, true)
}

/** @type {Shown<string>} */
const texts = new Shown(show)

app.registerExtension({
  name: "visioncraft.results",

  setup() {
    api.addEventListener("executed", (/** @type {any} */ { detail }) => {
      const text = detail.output?.text // of several where the node ran once for each item of a list
      if (!Array.isArray(text)) return
      const node = detail.display_node ?? detail.node
      texts.set(workflowOf(detail.prompt_id), node, text.join("\n\n"))
    })
  },

  afterConfigureGraph() {
    texts.restore()
  },
})
