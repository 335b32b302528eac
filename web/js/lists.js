// The lists of names in the nodes of this pack: newer ones without a restart, and a mark on a value
// that its list does not have. Such a value stays and runs: the server decides.

import { app } from "../../../scripts/app.js"
import { ask, tell } from "./routes.js"

const FRESH = 300 // seconds for which another page that opens asks for nothing

let busy = false

/** @param {number} maxAge of lists that are kept, in seconds @param {boolean} [always] show all */
export async function refreshLists(maxAge, always = false) {
  if (busy) return undefined // what is shown anew below calls the hook below
  busy = true
  try {
    const answer = await ask("catalogs/refresh", { max_age: maxAge })
    // Newer front ends do it without a notice of their own.
    if (answer.changed || always) await (app.reloadNodeDefs ?? app.refreshComboInNodes).call(app)
    return answer
  } finally {
    busy = false
  }
}

async function refreshAndTell() {
  try {
    const { error, server } = (await refreshLists(0, true)) ?? {}
    if (error) tell("warn", `The lists are those of an earlier time. ${error}`)
    else if (server) tell("success", `The lists are those of ${server} as of now.`)
  } catch (error) {
    tell("error", error)
  }
}

app.registerExtension({
  name: "visioncraft.lists",

  commands: [
    {
      id: "VisionCraft.RefreshLists",
      label: "VisionCraft: Refresh model lists",
      function: refreshAndTell,
    },
  ],
  menuCommands: [{ path: ["Extensions", "VisionCraft"], commands: ["VisionCraft.RefreshLists"] }],

  setup: () => void refreshLists(FRESH).catch(() => {}), // nobody asked for it

  // R was pressed: what ComfyUI knows is shown by now.
  refreshComboInNodes: () => void refreshLists(0).catch(() => {}),

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("VisionCraft")) return
    for (const { type, options } of node.widgets ?? []) {
      if (type !== "combo") continue
      // Front end 1.27 does not ask for it, and Nodes 2.0 draws a red frame by itself.
      options.getOptionLabel = (/** @type {string | null} */ value) =>
        !value || options.values?.includes?.(value) !== false ? value ?? "" : `${value} (not in the list)`
    }
  },
})
