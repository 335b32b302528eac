// What the context menu of a node of this pack offers, and a button where a key is missing.

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { findNode } from "./canvas.js"
import { ask, tell } from "./routes.js"

const SERVER = "VisionCraftServer"
const NEEDS_KEY = ["visioncraft.KeyMissing", "visioncraft.KeyRejected"]

/** @type {string[]} */
let profiles = []

/** @param {any} node @param {string} profile */
function runOn(node, profile) {
  const slot = node.findInputSlot("server")
  const linked = node.getInputNode(slot)
  if (profile === "auto") node.disconnectInput(slot)
  else if (linked?.comfyClass === SERVER && linked.outputs[0].links.length === 1) {
    linked.widgets[0].value = profile // it serves no other node
  } else {
    const server = LiteGraph.createNode(SERVER)
    node.graph.add(server)
    server.pos = [node.pos[0] - server.size[0] - 40, node.pos[1]]
    server.widgets[0].value = profile
    server.connect(0, node, slot)
  }
  node.setDirtyCanvas(true, true)
}

/** @param {string} path @param {any} node as it would be queued now */
async function askAbout(path, { id, comfyClass }) {
  const { output } = await app.graphToPrompt()
  const key = Object.keys(output).find(
    (each) => each.split(":").at(-1) === String(id) && output[each].class_type === comfyClass,
  )
  if (!key) throw new Error("This node would not run now: it is muted or bypassed.")
  const { server, ...inputs } = /** @type {Record<string, any>} */ (output[key].inputs)
  const profile = server ? output[server[0]]?.inputs.profile : ""
  if (typeof profile !== "string") throw new Error("Which server it runs on is not known yet.")
  return ask(path, { class_type: comfyClass, inputs, server: profile })
}

/** @param {any} node */
async function copyAsCurl(node) {
  const { text } = await askAbout("actions/curl", node)
  try {
    await navigator.clipboard.writeText(text)
    tell("success", "Copied. The key is not in it: set VISIONCRAFT_API_KEY in the shell.")
  } catch {
    // A page that came over plain http from another computer has no clipboard.
    app.extensionManager.dialog.prompt({ title: "curl", message: "", defaultValue: text })
  }
}

/** @param {any} node */
async function forget(node) {
  const { forgotten } = await askAbout("actions/forget", node)
  const done = "Forgotten. The next run sends the request again."
  tell("info", forgotten ? done : "Nothing is stored for it.")
}

/** @param {any} node */
function menuOf(node) {
  if (!node.comfyClass?.startsWith("VisionCraft") || node.findInputSlot("server") < 0) return []
  const options = profiles.map((name) => ({ content: name, callback: () => runOn(node, name) }))
  const servers = { content: "Run on server", has_submenu: true, submenu: { options } }
  const telling = (/** @type {(node: any) => Promise<void>} */ act) => () =>
    act(node).catch((error) => tell("error", error))
  if (node.comfyClass === "VisionCraftCatalog") return [servers]
  return [
    servers,
    { content: "Copy the request as curl (without key)", callback: telling(copyAsCurl) },
    { content: "Forget the stored result", callback: telling(forget) },
  ]
}

/** @param {any} node @param {boolean} wanted */
function showButton(node, wanted) {
  const name = "visioncraft_settings"
  const present = node?.widgets?.find((/** @type {any} */ widget) => widget.name === name)
  if (present) node.removeWidget(present)
  if (!node || !wanted) return
  const open = () => app.extensionManager.command.execute("VisionCraft.OpenSettings")
  const button = node.addWidget("button", name, null, open, { serialize: false })
  button.label = "Enter the key in the settings"
  button.serialize = false // the option is for what is queued, this is for what is saved
}

app.registerExtension({
  name: "visioncraft.menu",

  setup() {
    api.addEventListener("execution_error", ({ detail }) =>
      showButton(findNode(detail.node_id), NEEDS_KEY.includes(detail.exception_type)),
    )
    api.addEventListener("executing", ({ detail }) => detail && showButton(findNode(detail), false))
  },

  beforeRegisterNodeDef(_type, { name, input }) {
    if (name === SERVER) profiles = /** @type {string[]} */ (input?.required?.profile[0])
  },

  getNodeMenuItems: menuOf,

  nodeCreated(node) {
    if (app.collectNodeMenuItems || !node.comfyClass?.startsWith("VisionCraft")) return
    const inherited = node.getExtraMenuOptions // older front ends ask each node, not its pack
    node.getExtraMenuOptions = (canvas, options) => {
      const others = inherited?.call(node, canvas, options)
      return Array.isArray(others) ? [...others, ...menuOf(node)] : menuOf(node)
    }
  },
})
