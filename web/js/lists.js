// The lists of names in the nodes of this pack: newer ones without a restart, and a mark on a value
// that its list does not have. Such a value stays and runs: the server decides.

import { app } from "../../../scripts/app.js"
import { ask } from "./routes.js"

const FRESH = 300 // seconds for which another page that opens asks for nothing
const COMMAND = "VisionCraft.RefreshLists"

let busy = false

/** Newer front ends do it without a notice of their own. */
const reload = () => (app.reloadNodeDefs ? app.reloadNodeDefs() : app.refreshComboInNodes())

async function refresh(maxAge, always = false) {
  if (busy) return undefined // reloading calls the hook below
  busy = true
  try {
    const answer = await ask("catalogs/refresh", { max_age: maxAge })
    if (answer.changed || always) await reload()
    return answer
  } finally {
    busy = false
  }
}

async function refreshAndTell() {
  const say = (severity, detail) =>
    app.extensionManager.toast.add({ severity, summary: "VisionCraft", detail, life: 8000 })
  try {
    const { error, server, changed } = (await refresh(0, true)) ?? {}
    if (error) say("warn", `The lists are those of an earlier time: ${error}`)
    else if (server) say("success", `${changed} lists of ${server} have changed.`)
  } catch (error) {
    say("error", error.message)
  }
}

function isListed({ options }, value) {
  return !Array.isArray(options.values) || options.values.includes(value)
}

app.registerExtension({
  name: "visioncraft.lists",

  commands: [{ id: COMMAND, label: "VisionCraft: Refresh model lists", function: refreshAndTell }],
  menuCommands: [{ path: ["Extensions", "VisionCraft"], commands: [COMMAND] }],

  setup() {
    refresh(FRESH).catch(() => {}) // nobody asked for it
  },

  // R was pressed: what the server has on its disk is shown by now.
  refreshComboInNodes() {
    refresh(0).catch(() => {})
  },

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("VisionCraft")) return
    for (const widget of node.widgets ?? []) {
      if (widget.type !== "combo") continue
      widget.options.getOptionLabel = (value) =>
        !value || isListed(widget, value) ? (value ?? "") : `${value} (not in the list)`
    }
  },
})
