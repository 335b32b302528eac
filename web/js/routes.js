// How the pages of this pack ask its routes on ComfyUI's server (nodes/routes/).

import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"

const API_VERSION = "1" // that of nodes/routes/guard.py: the server says when they differ

/**
 * Asks a route: a POST of `body`, a GET where there is none.
 * @param {string} path below /visioncraft/
 * @param {object} [body]
 * @returns {Promise<any>} the JSON value it gives
 * @throws {Error} with a sentence for the user
 */
export async function ask(path, body) {
  const headers = { "X-VisionCraft-API": API_VERSION, "Content-Type": "application/json" }
  const options = { headers, cache: /** @type {const} */ ("no-store") }
  const post = body && { method: "POST", body: JSON.stringify(body) }
  let response
  try {
    response = await api.fetchApi(`/visioncraft/${path}`, { ...options, ...post })
  } catch {
    throw new Error("ComfyUI does not answer. Start it again and reload the page.")
  }
  const answer = await response.json().catch(() => undefined)
  if (response.ok && answer !== undefined) return answer
  throw new Error(
    answer?.error ?? `VisionCraft did not answer (HTTP ${response.status}). Reload the page.`,
  )
}

/**
 * Shows a sentence for `life` milliseconds; of an error, its message.
 * @param {"success" | "info" | "warn" | "error"} severity
 * @param {unknown} what
 */
export function tell(severity, what, life = 8000) {
  const detail = what instanceof Error ? what.message : String(what)
  app.extensionManager?.toast?.add({ severity, summary: "VisionCraft", detail, life })
}
