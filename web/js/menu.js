// What the context menu of a node of this pack offers, and a button where a key is missing.

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { ask } from "./routes.js"

const SERVER = "VisionCraftServer"
const NEEDS_SETTINGS = ["visioncraft.KeyMissing", "visioncraft.KeyRejected"]
const BUTTON = "visioncraft_settings"

const isOurs = (node) => Boolean(node.comfyClass?.startsWith("VisionCraft"))
const serverSlot = (node) => node.inputs?.findIndex(({ name }) => name === "server") ?? -1

function say(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "VisionCraft", detail, life: 8000 })
}

/** An action whose errors are told. */
const telling = (action) => () => action().catch((error) => say("error", error.message))

/** The profile becomes that of a Server node of this node's own: others keep theirs. */
function runOn(node, profile) {
  const { graph } = node
  const slot = serverSlot(node)
  const linked = node.getInputNode(slot)
  graph.beforeChange?.()
  if (profile === "auto") node.disconnectInput(slot)
  else if (linked?.comfyClass === SERVER && linked.outputs[0].links.length === 1) {
    linked.widgets[0].value = profile
  } else {
    const server = LiteGraph.createNode(SERVER)
    graph.add(server)
    server.pos = [node.pos[0] - server.size[0] - 40, node.pos[1]]
    server.widgets[0].value = profile
    server.connect(0, node, slot)
  }
  graph.afterChange?.()
  node.setDirtyCanvas(true, true)
}

function profiles() {
  const definition = LiteGraph.registered_node_types[SERVER]?.nodeData
  return definition?.input?.required?.profile?.[0] ?? []
}

/** The node as it would be queued now. In a subgraph its id is the end of a path. */
async function described(node) {
  const { output } = await app.graphToPrompt()
  const ids = Object.keys(output).filter((id) => id.split(":").at(-1) === String(node.id))
  const found = ids.map((id) => output[id]).find((each) => each.class_type === node.comfyClass)
  if (!found) throw new Error("This node would not run: it is muted, bypassed or not in use.")
  const { server, ...inputs } = found.inputs
  const profile = server && output[server[0]]?.inputs.profile
  if (server && typeof profile !== "string") {
    throw new Error("Another node chooses the server while the workflow runs.")
  }
  return { class_type: found.class_type, inputs, server: profile ?? "" }
}

async function copyAsCurl(node) {
  const { text } = await ask("actions/curl", await described(node))
  try {
    await navigator.clipboard.writeText(text)
    say("success", "Copied. The key is not in it: set VISIONCRAFT_API_KEY in the shell.")
  } catch {
    // A page that came over plain http from another computer has no clipboard.
    await app.extensionManager.dialog.prompt({ title: "curl", message: "", defaultValue: text })
  }
}

async function forget(node) {
  const { forgotten } = await ask("actions/forget", await described(node))
  say(
    "info",
    forgotten ? "Forgotten. The next run sends the request again." : "Nothing is stored for it.",
  )
}

function menuOf(node) {
  if (serverSlot(node) < 0) return []
  const options = profiles().map((profile) => ({
    content: profile,
    callback: () => runOn(node, profile),
  }))
  const servers = { content: "Run on server", has_submenu: true, submenu: { options } }
  if (node.comfyClass === "VisionCraftCatalog") return [servers]
  return [
    servers,
    { content: "Copy the request as curl (without key)", callback: telling(() => copyAsCurl(node)) },
    { content: "Forget the stored result", callback: telling(() => forget(node)) },
  ]
}

function nodeAt(path) {
  const [first, ...rest] = String(path).split(":")
  const start = (app.rootGraph ?? app.graph).getNodeById(first)
  return rest.reduce((node, id) => node?.subgraph?.getNodeById(id), start)
}

function removeButton(node) {
  const widget = node?.widgets?.find(({ name }) => name === BUTTON)
  if (widget) node.removeWidget(widget)
}

function addButton(node) {
  const widget = node.addWidget(
    "button",
    BUTTON,
    null,
    () => app.extensionManager.command.execute("VisionCraft.OpenSettings"),
    { serialize: false },
  )
  widget.label = "Open the VisionCraft settings"
  widget.serialize = false // the option is for what is queued, this is for what is saved
}

app.registerExtension({
  name: "visioncraft.menu",

  setup() {
    api.addEventListener("execution_error", ({ detail }) => {
      const node = nodeAt(detail.node_id)
      if (!node || !isOurs(node)) return
      removeButton(node)
      if (NEEDS_SETTINGS.includes(detail.exception_type)) addButton(node)
    })
    api.addEventListener("executing", ({ detail }) => removeButton(detail && nodeAt(detail)))
  },

  getNodeMenuItems: (node) => (isOurs(node) ? menuOf(node) : []),

  nodeCreated(node) {
    if (!isOurs(node) || app.collectNodeMenuItems) return // older front ends have no such list
    const inherited = node.getExtraMenuOptions
    node.getExtraMenuOptions = function (canvas, options) {
      return [...(inherited?.call(this, canvas, options) ?? []), ...menuOf(this)]
    }
  },
})
