// Fills in %date:...% and %Node.widget% in the prefix of Save Original, as the front end does for
// ComfyUI's own save nodes. nodes/headless/prefixes.py does the same without a front end.

import { app } from "../../../scripts/app.js"

app.registerExtension({
  name: "visioncraft.prefix",

  nodeCreated(node) {
    const widget = node.comfyClass === "VisionCraftSaveOriginal" && node.widgets?.[0]
    if (!widget) return
    widget.serializeValue = () =>
      // Only now: a front end that has moved it must not keep the page from opening.
      import("../../../scripts/utils.js").then(
        ({ applyTextReplacements }) => applyTextReplacements(app, String(widget.value)),
        () => widget.value,
      )
  },
})
