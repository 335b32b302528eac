// What a run of a node needs and makes, told before it runs: badges above the node.

import { app } from "../../../scripts/app.js"

const PREMIUM = { fgColor: "#2b1d00", bgColor: "#e0b040" }
const COUNT = { fgColor: "#ffffff", bgColor: "#4a6fa5" }

/** @type {Map<string, { premium: boolean, free: Map<string, string[]> }>} */
const needs = new Map() // of each node class, as nodes/base.py declares it with the inputs

/**
 * The value of a widget; undefined where there is none, or a link brings the value.
 * @param {any} node
 * @param {string} name
 */
function valueOf(node, name) {
  const linked = node.inputs?.find((/** @type {any} */ input) => input.name === name)?.link
  if (linked !== undefined && linked !== null) return undefined
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name)?.value
}

/** @param {any} node */
function premiumText(node) {
  const { premium, free } = needs.get(node.comfyClass) ?? { premium: false, free: new Map() }
  const paid = [...free].some(([name, values]) => {
    const value = valueOf(node, name)
    return value !== undefined && !values.includes(value)
  })
  return premium || paid ? "premium" : ""
}

/** @param {any} node */
function countText(node) {
  const count = valueOf(node, "image_count") // which one call brings
  return count > 1 ? `${count} pictures, 1 call` : ""
}

/**
 * A badge that always says what `textOf` gives; nothing shows one without text.
 * @param {any} node
 * @param {(node: any) => string} textOf
 * @param {object} colors
 */
function addBadge(node, textOf, colors) {
  // The classic canvas stops drawing at anything but an instance of its own class.
  const { LGraphBadge } = /** @type {any} */ (window)
  if (!LGraphBadge) return
  let badge = new LGraphBadge({ text: "", ...colors })
  node.badges.push(() => {
    const text = textOf(node)
    if (text !== badge.text) badge = new LGraphBadge({ text, ...colors })
    return badge
  })
}

app.registerExtension({
  name: "visioncraft.badges",

  beforeRegisterNodeDef(/** @type {any} */ _type, /** @type {any} */ { name, input }) {
    if (!name.startsWith("VisionCraft")) return
    const inputs = Object.entries({ ...input?.required, ...input?.optional })
    const options = inputs.map(([field, [, given = {}]]) => [field, given])
    needs.set(name, {
      premium: options.some(([, given]) => given.visioncraft_premium),
      free: new Map(
        options.flatMap(([field, given]) =>
          given.visioncraft_free ? [[field, given.visioncraft_free]] : [],
        ),
      ),
    })
  },

  nodeCreated(/** @type {any} */ node) {
    if (!needs.has(node.comfyClass)) return
    addBadge(node, premiumText, PREMIUM)
    addBadge(node, countText, COUNT)
  },
})
