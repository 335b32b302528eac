// Fills in %date:...% and %Node.widget% in the prefix of Save Original, as the front end does for
// ComfyUI's own save nodes. nodes/headless/prefixes.py does the same without a front end.

import { app } from "../../../scripts/app.js"

app.registerExtension({
  name: "visioncraft.prefix",

  nodeCreated(node) {
    if (node.comfyClass !== "VisionCraftSaveOriginal") return
    const widget = node.widgets?.find(({ name }) => name === "filename_prefix")
    if (!widget) return
    widget.serializeValue = async () => {
      try {
        // Only now: a front end that has moved it must not keep the page from opening.
        const { applyTextReplacements } = await import("../../../scripts/utils.js")
        return applyTextReplacements(app, String(widget.value))
      } catch {
        return widget.value
      }
    }
  },
})
