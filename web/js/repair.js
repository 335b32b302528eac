// Repairs files that earlier versions of this pack damaged when they were saved after a run.
// nodes/headless/canvas/widget_values.py reads such files by the same rule.

import { app } from "../../../scripts/app.js"
import { tell } from "./routes.js"

/** @import { NodeDefinition, SavedNode, SavedWorkflow } from "../../../scripts/app.js" */
/** @typedef {{ name: string, fits: (value: any) => boolean, defaultValue: unknown }} Expected */

const CONTROL_MODES = ["fixed", "increment", "decrement", "randomize", "increment-wrap"]
const isMode = (/** @type {any} */ value) => CONTROL_MODES.includes(value)
/** @type {Record<string, Expected["fits"]>} */
const FITS = {
  INT: Number.isInteger,
  FLOAT: Number.isFinite,
  BOOLEAN: (value) => typeof value === "boolean",
  STRING: (value) => typeof value === "string",
  COMBO: (value) => typeof value === "string",
}

/** @type {Map<string, Expected[]>} */
const widgetsByClass = new Map() // what the entries of widgets_values belong to

/** @param {NodeDefinition} definition @returns {Expected[]} */
function widgetsOf({ input }) {
  const specs = Object.entries({ ...input?.required, ...input?.optional })
  return specs.flatMap(([name, [kind, options = {}]]) => {
    const fits = FITS[typeof kind === "string" ? kind : "COMBO"]
    if (!fits || options.forceInput) return []
    const first = { name, fits, defaultValue: options.default }
    if (!options.control_after_generate) return [first]
    return [first, { name: "control_after_generate", fits: isMode, defaultValue: "randomize" }]
  })
}

// They showed what a node says as ComfyUI's progress text, and front end 1.27 saved that as one more
// value. A list with one value too many passed for one of a much older front end: when it was
// opened, a value in the middle was dropped and the text became the last one.
/** @param {SavedNode} node @returns {string[]} the widgets whose values are lost */
function repair(node) {
  const expected = widgetsByClass.get(node.type) ?? []
  const values = node.widgets_values
  if (!expected.length || !Array.isArray(values)) return []
  values.splice(expected.length)
  const last = values.at(-1)
  if (values.length < expected.length || typeof last !== "string") return []
  if (expected.at(-1)?.fits(last)) return []
  const moved = /** @type {unknown[]} */ (values.slice(0, -1))
  const gaps = expected.map((_, at) => moved.toSpliced(at, 0, undefined)).reverse()
  const misfits = (/** @type {unknown[]} */ list) => expected.filter(({ fits }, index) => !fits(list[index]))
  const best = gaps.reduce((a, b) => (misfits(b).length < misfits(a).length ? b : a))
  node.widgets_values = best.map((value, index) =>
    expected[index].fits(value) ? value : expected[index].defaultValue,
  )
  delete node.widgets_values_named
  return misfits(best).map(({ name }) => name)
}

/** @param {SavedWorkflow} workflow */
function repairAll({ nodes = [], definitions }) {
  const inside = (definitions?.subgraphs ?? []).flatMap((graph) => graph.nodes ?? [])
  const damage = [...nodes, ...inside].flatMap((node) => {
    const lost = repair(node)
    return lost.length ? [`${lost.join(" and ")} of node ${node.id}`] : []
  })
  if (!damage.length) return
  tell(
    "warn",
    "An earlier version of VisionCraft damaged this file when it was saved. " +
      `These have their default values now: ${damage.join("; ")}.`,
    30000,
  )
}

app.registerExtension({
  name: "visioncraft.repair",

  beforeRegisterNodeDef(_type, definition) {
    if (definition.name.startsWith("VisionCraft")) {
      widgetsByClass.set(definition.name, widgetsOf(definition))
    }
  },

  beforeConfigureGraph(graph) {
    repairAll(graph)
  },
})
