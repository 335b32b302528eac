// Settings > VisionCraft: the servers with their keys, and the stored results.
//
// A key is no setting of ComfyUI, which serves those to anybody: it goes to nodes/routes/ and never
// comes back.

import { app } from "../../../scripts/app.js"
import { refreshLists } from "./lists.js"
import { ask } from "./routes.js"

/**
 * What nodes/routes/profiles.py tells of a server.
 * @typedef {{ name: string, base_url: string, has_key: boolean, key_end: string, problem: string,
 *   max_concurrency: number, is_default: boolean, built_in: boolean }} Server
 */

const CATEGORY = "VisionCraft"
const KEY_HELP = "https://github.com/VisionCraft-org/ComfyUI-VisionCraft#your-key"
const NEW = "" // no server is called so
const STYLE = `
.visioncraft-settings { display: grid; gap: 8px; width: min(28rem, 60vw); text-align: left;
  font-size: 13px; line-height: 1.4; color: var(--input-text); overflow-wrap: anywhere }
.visioncraft-settings[inert] { opacity: 0.6 }
.visioncraft-settings :is(input, button) { font: inherit; color: var(--input-text); min-width: 0;
  background: var(--comfy-input-bg); border: 1px solid var(--border-color); border-radius: 6px;
  padding: 4px 10px }
.visioncraft-settings button { cursor: pointer }
.visioncraft-settings button:is(:hover, :focus-visible, [aria-pressed="true"]) {
  border-color: var(--p-primary-color, currentColor) }
.visioncraft-settings a { color: inherit; text-decoration: underline }
.visioncraft-settings .buttons { display: flex; flex-wrap: wrap; gap: 6px }
.visioncraft-settings .server { display: grid; gap: 2px; text-align: left }
.visioncraft-settings .form { display: grid; grid-template-columns: max-content 1fr; gap: 6px 10px;
  align-items: center; justify-items: stretch }
.visioncraft-settings .form input:is([type="checkbox"], [type="number"]) { justify-self: start }
.visioncraft-settings label { display: contents }
.visioncraft-settings .form > div { grid-column: 1 / -1 }
.visioncraft-settings :is(div, span):empty { display: none }
.visioncraft-settings .small { font-size: 12px; color: var(--descrip-text) }
.visioncraft-settings .error { color: var(--error-text) }`

/**
 * @param {string} tag
 * @param {object} [properties]
 * @param {...(Node | string)} children
 * @returns {any} the element
 */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** @param {string} text @param {() => void} onclick @returns {HTMLButtonElement} */
const button = (text, onclick) => make("button", { type: "button", onclick }, text)

/** @param {unknown} error @returns {string} */
const sentence = (error) => (error instanceof Error ? error.message : String(error))

/** @param {string} title @param {string} text */
const confirmed = (title, text) =>
  app.extensionManager?.dialog.confirm({ title, message: text, type: "delete" })

/**
 * A row of the settings. A front end asks for it again at any time, also while somebody types in
 * it: so there is one element, which is filled when it comes and emptied when it goes.
 * @param {(body: HTMLElement) => void} fill
 */
function row(fill) {
  const body = make("div", { className: "visioncraft-settings" })
  const element = make("div", {}, make("style", {}, STYLE), body)
  let shown = false
  new ResizeObserver(() => {
    if (element.isConnected || !shown) return
    shown = false
    body.replaceChildren() // a key may have been typed and not saved
  }).observe(element)
  return () => {
    if (!shown) fill(body)
    shown = true
    return element
  }
}

/** @type {{ servers: Server[], problem: string, read_only: string }} */
let listing = { servers: [], problem: "", read_only: "" }
let selected = NEW
const message = make("div", { role: "status" })

function say(text = "", isError = false) {
  message.textContent = text
  message.className = isError ? "error" : ""
}

/**
 * Asks a route and chooses `name` of the servers as they are then; an error leaves what was typed.
 * @param {HTMLElement} body @param {string} path @param {object} [content]
 */
async function change(body, path, content, name = selected) {
  body.inert = true
  try {
    const answer = await ask(path, content)
    if (content && answer.servers) refreshLists(0, true).catch(() => {}) // perhaps of another server
    if (answer.servers) listing = answer
    say(answer.done ?? answer.text, answer.ok === false)
    choose(body, name)
  } catch (error) {
    say(sentence(error), true)
    body.append(message)
  } finally {
    body.inert = false
  }
}

/** @param {HTMLElement} body @param {string} name */
function choose(body, name) {
  const { servers, problem, read_only } = listing
  const server = servers.find((each) => each.name === name)
  selected = server ? name : NEW
  const add = button("Add a server", () => (say(), choose(body, NEW)))
  body.replaceChildren(
    make("div", { className: "error" }, problem),
    make("div", {}, read_only),
    ...servers.map((each) => serverButton(body, each)),
    ...(read_only ? [] : [...(server ? [make("div", {}, add)] : []), editor(body, server)]),
    message,
  )
}

/** @param {Server} server */
function keyState({ name, has_key, key_end }) {
  if (has_key) return `key set${key_end && `, ends in ...${key_end}`}`
  return name === "sandbox" ? "needs no key" : "no key"
}

/** @param {HTMLElement} body @param {Server} server */
function serverButton(body, server) {
  const { name, base_url, is_default, problem } = server
  const title = is_default ? `${name} (default)` : name
  const element = button(title, () => (say(), choose(body, name)))
  const about = `${base_url || "built in, makes synthetic results"}, ${keyState(server)}`
  element.append(make("span", { className: "small" }, about))
  element.append(make("span", { className: "small error" }, problem))
  element.className = "server"
  element.ariaPressed = String(name === selected)
  return element
}

/** The form of a server, or of a new one. @param {HTMLElement} body @param {Server} [server] */
function editor(body, server) {
  /** @param {string} label @param {object} properties @returns {HTMLInputElement} */
  const input = (label, properties, shown = true) => {
    const element = make("input", { autocomplete: "off", spellcheck: false, ...properties })
    if (shown) form.append(make("label", {}, make("span", {}, label), element))
    return element
  }
  const form = make("div", { className: "form" })
  const own = !server?.built_in
  const address = own && server ? server.base_url : ""
  const stored = server?.has_key ? `${keyState(server)}; empty keeps it` : "no key"
  const calls = server?.max_concurrency ?? 4
  const inputs = {
    name: input("Name", { value: server?.name ?? "", placeholder: "work" }, !server),
    base_url: input("Address", { value: address, placeholder: "https://your.server" }, own),
    key: input("Key", { type: "password", placeholder: stored }, own),
    forget_key: input("Remove key", { type: "checkbox" }, own && !!server?.has_key),
    max_concurrency: input("Calls at once", { type: "number", min: "1", max: "64", value: calls }),
  }
  const save = () => {
    const name = inputs.name.value.trim()
    const content = {
      name,
      new: !server,
      base_url: inputs.base_url.value.trim(),
      key: inputs.key.value,
      forget_key: inputs.forget_key.checked,
      max_concurrency: inputs.max_concurrency.valueAsNumber,
    }
    change(body, "profiles/save", content, name)
  }
  /** @param {KeyboardEvent} event */
  form.onkeydown = (event) => {
    if (event.key === "Enter") save()
  }
  const buttons = [button(server ? "Save" : "Add", save), ...(server ? actions(body, server) : [])]
  const link = { href: KEY_HELP, target: "_blank", rel: "noreferrer", className: "small" }
  const help = make("div", {}, make("a", link, "Where does a key come from?"))
  form.append(make("div", { className: "buttons" }, ...buttons), own ? help : "")
  return form
}

/** @param {HTMLElement} body @param {Server} server */
function actions(body, { name, is_default, built_in }) {
  const rename = async () => {
    const asked = { title: `Rename ${name}`, message: "New name", defaultValue: name }
    const new_name = (await app.extensionManager?.dialog.prompt(asked))?.trim()
    if (new_name) change(body, "profiles/rename", { name, new_name }, new_name)
  }
  const remove = async () => {
    const text = "Its address and its key are removed from this computer."
    if (await confirmed(`Remove ${name}?`, text)) change(body, "profiles/remove", { name }, NEW)
  }
  const makeDefault = () => change(body, "profiles/default", { name })
  return [
    button("Test", () => change(body, "profiles/test", { name })),
    ...(is_default ? [] : [button("Make default", makeDefault)]),
    ...(built_in ? [] : [button("Rename", rename), button("Remove", remove)]),
  ]
}

/** @param {HTMLElement} body @param {object} [confirmation] clears the store */
async function showResults(body, confirmation) {
  const clear = async () => {
    const text = "Requests that were answered before are then sent, and counted, again."
    if (await confirmed("Clear all stored results?", text)) showResults(body, { confirmed: true })
  }
  try {
    const path = confirmation ? "results/clear" : "results"
    const { files, bytes, most_bytes } = await ask(path, confirmation)
    const [size, most] = [bytes, most_bytes].map((each) => (each / 2 ** 20).toFixed(1))
    const text = `${files} results, ${size} MiB of at most ${most} MiB`
    body.replaceChildren(text, make("div", {}, button("Clear stored results", clear)))
  } catch (error) {
    body.replaceChildren(make("div", { className: "error" }, sentence(error)))
  }
}

/** Opens ComfyUI's settings, at our category where it can be found there. */
async function openSettings() {
  await app.extensionManager?.command.execute("Comfy.ShowSettingsDialog")
  const places = "[data-testid='settings-dialog'] nav *, .settings-sidebar [role='option']"
  for (let frame = 0; frame < 120; frame++) {
    await new Promise(requestAnimationFrame)
    const found = [...document.querySelectorAll(places)]
    const ours = found.find((element) => element.textContent?.trim() === CATEGORY)
    if (ours) return /** @type {HTMLElement} */ (ours).click()
  }
}

app.registerExtension({
  name: "visioncraft.settings",

  settings: [
    {
      id: "VisionCraft.Servers",
      name: "Servers",
      category: [CATEGORY, "Connection", "Servers"],
      type: row((body) => change(body, "profiles")),
      defaultValue: undefined,
    },
    {
      id: "VisionCraft.StoredResults",
      name: "Stored results",
      category: [CATEGORY, "Storage", "Stored results"],
      type: row((body) => showResults(body)),
      defaultValue: undefined,
    },
  ],

  commands: [
    { id: "VisionCraft.OpenSettings", label: "VisionCraft: Open settings", function: openSettings },
  ],
})
