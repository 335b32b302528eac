// The page of a VisionCraft server: a client of its own API. The key is only in its input field.

const STATE_EVERY = 5000 // milliseconds
const PROGRESS_EVERY = 500
const FORGOTTEN = "This page forgets it when it is closed or loaded again."
const NO_FILE = "Choose a picture."

/** @param {string} id @returns {any} */
const at = (id) => document.getElementById(id)

/**
 * @param {string} tag
 * @param {object} [values]
 * @param {(Node | string)[]} children
 * @returns {any}
 */
function make(tag, values = {}, ...children) {
  const element = Object.assign(document.createElement(tag), values)
  element.append(...children)
  return element
}

/** @type {any} what /openapi.json tells */
let description
/** @type {Map<string, Promise<string[]>>} the names of a catalog */
const catalogs = new Map()
/** @type {Map<string, any>} the buttons, by path */
const buttons = new Map()
/** @type {Record<string, () => any>} give the values of the form, undefined where there is none */
let values = {}
let path = ""
/** @type {AbortController | undefined} of the request that is under way */
let request
/** @type {string[]} the addresses of files in memory that are shown */
let shown = []

/** @param {string} address */
async function fetched(address) {
  const answer = await fetch(address, { cache: "no-store" })
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}.`)
  return answer.json()
}

/** @param {string} name @returns {Promise<string[]>} */
function names(name) {
  let found = catalogs.get(name)
  if (!found) catalogs.set(name, (found = fetched(`/${name}`).catch(() => [])))
  return found
}

// --- The form -----------------------------------------------------------------------------------

/** @param {string} name */
function words(name) {
  const text = name.replaceAll("_", " ")
  return text[0].toUpperCase() + text.slice(1)
}

/** @param {Blob} file @returns {Promise<string>} */
function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader()
    reader.onload = () => done(String(reader.result).split(",")[1])
    reader.onerror = () => failed(new Error(NO_FILE))
    reader.readAsDataURL(file)
  })
}

/**
 * The element for a field, and what gives its value.
 * @param {any} schema
 * @param {boolean} required
 * @param {any} example
 * @returns {[any, () => any]}
 */
function control(schema, required, example) {
  const first = schema.anyOf?.[0] ?? schema
  const initial = schema.default ?? example
  if (first.type === "integer" || first.type === "number") {
    const step = first.type === "integer" ? 1 : "any"
    const { minimum: min, maximum: max } = first
    const input = make("input", { type: "number", min, max, step, value: initial, required })
    return [input, () => (input.value === "" ? undefined : Number(input.value))]
  }
  if (first.type === "boolean") {
    const input = make("input", { type: "checkbox", checked: Boolean(initial) })
    return [input, () => input.checked]
  }
  if (schema.contentEncoding === "base64") {
    const input = make("input", { type: "file", accept: "image/*", required })
    return [input, () => (input.files[0] ? base64(input.files[0]) : undefined)]
  }
  if (schema["x-catalog"] && first.type !== "object") {
    const select = make("select", { required })
    void names(schema["x-catalog"]).then((all) => {
      if (!required) select.append(make("option", { value: "", textContent: "(default)" }))
      select.append(...all.map((name) => make("option", { value: name, textContent: name })))
      select.value = all.includes(initial) ? initial : (required ? all[0] : "") ?? ""
    })
    return [select, () => select.value || undefined]
  }
  if (first.type === "object") {
    const input = make("textarea", { placeholder: "name: 0.8" })
    return [input, () => weights(input.value)]
  }
  const isChat = first.type === "array"
  const long = isChat || schema["x-multiline"]
  const input = make(long ? "textarea" : "input", { required, value: isChat ? "" : initial ?? "" })
  if (!isChat) return [input, () => input.value || undefined]
  return [input, () => [{ role: "user", content: input.value }]]
}

/** @param {string} text lines of a name, a colon and a number */
function weights(text) {
  const rows = text.split("\n").filter((line) => line.trim())
  const pairs = rows.map((line) => {
    const [, name, weight] = line.match(/^(.*?)(?::\s*([-\d.]+)\s*)?$/) ?? []
    return [name.trim(), Number(weight ?? 1)]
  })
  return pairs.length ? Object.fromEntries(pairs) : undefined
}

/** @param {string} name @param {any} schema @param {boolean} required @param {any} example */
function field(name, schema, required, example) {
  const [input, value] = control(schema, required, example)
  const id = `field-${name}`
  Object.assign(input, { id, name })
  values[name] = value
  const help = make("small", { id: `${id}-help`, textContent: schema.description ?? "" })
  input.setAttribute("aria-describedby", help.id)
  const label = make("label", { htmlFor: id, textContent: words(name) })
  if (input.type === "checkbox") return make("div", { className: "field check" }, input, label, help)
  return make("div", { className: "field" }, label, input, help)
}

/** @param {string} chosen @param {boolean} [byUser] */
function choose(chosen, byUser = false) {
  path = chosen
  for (const [each, button] of buttons) button.setAttribute("aria-pressed", String(each === path))
  const operation = description.paths[path].post
  const { schema, example = {} } = operation.requestBody.content["application/json"]
  at("chosen").textContent = operation["x-title"]
  at("summary").textContent = operation.summary
  values = {}
  at("fields").replaceChildren()
  at("optional").replaceChildren()
  for (const [name, each] of Object.entries(schema.properties)) {
    if (name === "token") continue
    const required = schema.required.includes(name)
    at(required ? "fields" : "optional").append(field(name, each, required, example[name]))
  }
  at("more").hidden = !at("optional").children.length
  at("key-help").textContent = `${schema.properties.token.description}. ${FORGOTTEN}`
  if (byUser) {
    at("try").focus({ preventScroll: true })
    at("try").scrollIntoView({ block: "nearest" })
  }
}

// --- A request ----------------------------------------------------------------------------------

/** @param {string} text */
function say(text, failed = false) {
  const status = at("status")
  if (status.textContent !== text) status.textContent = text // or it is read aloud again
  status.classList.toggle("failed", failed)
}

/** @param {Blob} blob */
function addressOf(blob) {
  const address = URL.createObjectURL(blob)
  shown.push(address)
  return address
}

/** @param {Node[]} elements */
function output(...elements) {
  const old = shown
  shown = []
  at("output").replaceChildren(...elements)
  return () => old.forEach((address) => URL.revokeObjectURL(address))
}

/** @param {number} number */
function ordinal(number) {
  const rest = number % 100
  const end = rest > 10 && rest < 14 ? "th" : ["th", "st", "nd", "rd"][number % 10] ?? "th"
  return `${number}${end}`
}

/** @param {string} id @param {AbortSignal} signal */
async function follow(id, signal) {
  let previews = 0
  while (!signal.aborted) {
    await new Promise((done) => setTimeout(done, PROGRESS_EVERY))
    if (signal.aborted) return
    try {
      const answer = await fetch(`/progress/${id}`, { signal, cache: "no-store" })
      if (!answer.ok) continue
      const { state, place, step, steps, preview } = await answer.json()
      if (state === "waiting") say(place ? `${ordinal(place + 1)} in the queue` : "Next in the queue")
      if (state !== "working") continue
      say(steps ? `Step ${step} of ${steps}` : "At work")
      if (steps) at("progress").value = step / steps
      if (preview === previews) continue
      previews = preview
      const picture = await fetch(`/progress/${id}/preview`, { signal, cache: "no-store" })
      if (!picture.ok) continue
      const blob = await picture.blob()
      if (signal.aborted) return
      const forget = output()
      const image = make("img", { className: "preview", alt: "The unfinished result" })
      image.src = addressOf(blob)
      at("output").append(image)
      forget()
    } catch {
      // The request itself tells what is wrong.
    }
  }
}

/** @param {any} told */
function reason(told) {
  if (Array.isArray(told?.detail)) {
    return told.detail
      .map((/** @type {any} */ each) => `${each.loc.slice(1).join(".")} ${each.msg}`)
      .join("; ")
  }
  return told?.error ?? told?.detail ?? "The server gave no reason."
}

/** @param {string} link */
const local = (link) => new URL(link, location.href).pathname // it may name a proxy's address

/** @param {any} told @returns {Promise<any[]>} */
async function made(told) {
  const links = Array.isArray(told) ? told : told.images
  if (links) {
    return links.map((/** @type {string} */ link, /** @type {number} */ number) => {
      const image = make("img", { alt: `Result ${number + 1} of ${links.length}` })
      image.src = local(link)
      return make("a", { href: local(link), download: "" }, image)
    })
  }
  const text = told.choices?.[0]?.message?.content ?? told.message
  return [make("p", { textContent: text ?? JSON.stringify(told) })]
}

/** @param {Response} answer */
async function read(answer) {
  const type = answer.headers.get("Content-Type") ?? ""
  if (type.includes("json")) {
    const told = await answer.json()
    if (!answer.ok) throw new Error(reason(told))
    return made(told)
  }
  const blob = await answer.blob()
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`)
  const image = make(type.startsWith("video/") ? "video" : "img")
  if (type.startsWith("video/")) Object.assign(image, { controls: true, loop: true, autoplay: true, muted: true })
  else image.alt = "The result"
  return [image, blob]
}

async function send() {
  request?.abort()
  const own = (request = new AbortController())
  const id = crypto.getRandomValues(new Uint8Array(16)).reduce((all, byte) => all + byte.toString(16).padStart(2, "0"), "")
  const begun = performance.now()
  at("send").disabled = true
  at("cancel").hidden = at("progress").hidden = false
  at("progress").removeAttribute("value")
  say("Waiting for the server")
  at("result-title").scrollIntoView({ block: "nearest" }) // on a phone it is below the form
  const following = new AbortController()
  try {
    /** @type {Record<string, any>} */
    const body = { token: at("key").value }
    for (const [name, value] of Object.entries(values)) {
      const given = await value()
      if (given !== undefined) body[name] = given
    }
    void follow(id, following.signal)
    const headers = { "Content-Type": "application/json", "X-Request-Id": id }
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: own.signal, cache: "no-store", credentials: "omit" })
    const [first, ...more] = await read(answer)
    following.abort()
    const forget = output()
    if (more[0] instanceof Blob) {
      first.src = addressOf(more[0])
      at("output").append(first)
    } else {
      at("output").append(first, ...more)
    }
    forget()
    say(`Done in ${((performance.now() - begun) / 1000).toFixed(1)} s.`)
  } catch (error) {
    const stopped = own.signal.aborted
    say(stopped ? "Cancelled." : error instanceof TypeError ? "The server cannot be reached." : String(/** @type {any} */ (error).message), !stopped)
  } finally {
    following.abort()
    at("send").disabled = false
    at("cancel").hidden = at("progress").hidden = true
    void refresh()
  }
}

// --- The server's state -------------------------------------------------------------------------

/** @param {any} state */
function showState(state) {
  document.title = state.title
  at("title").textContent = state.title
  for (const [each, button] of buttons) {
    const serves = state.endpoints[each]
    button.disabled = !serves
    button.querySelector(".note").textContent = serves ? "" : "Not offered here"
  }
  const waiting = state.engines.reduce((/** @type {number} */ all, /** @type {any} */ each) => all + each.waiting, 0)
  const work = `${state.at_work} ${state.at_work === 1 ? "request" : "requests"} here`
  const text = waiting ? `${work}, ${waiting} of them waiting` : state.at_work ? work : "Idle"
  if (at("state").textContent !== text) at("state").textContent = text
  at("engines-section").hidden = !state.engines.length
  at("engines").replaceChildren(
    ...state.engines.map((/** @type {any} */ { name, ready, at_work, at_once, waiting: queue }) =>
      make(
        "tr",
        {},
        make("td", { textContent: name }),
        make("td", { textContent: ready ? "Ready" : "Has problems", className: ready ? "ready" : "failed" }),
        make("td", { textContent: `${at_work} of ${at_once}` }),
        make("td", { textContent: queue }),
      ),
    ),
  )
}

async function refresh() {
  try {
    showState(await fetched("/state"))
  } catch {
    at("state").textContent = "The server cannot be reached."
  }
}

async function start() {
  description = await fetched("/openapi.json")
  for (const [each, { post }] of Object.entries(description.paths)) {
    if (!post?.["x-title"]) continue
    const heading = post["x-title"] + (post["x-premium"] ? " (premium)" : "")
    const button = make(
      "button",
      { type: "button", onclick: () => choose(each, true) },
      make("strong", { textContent: heading }),
      make("small", { className: "names" }),
      make("small", { className: "note" }),
    )
    const model = post.requestBody.content["application/json"].schema.properties.model
    if (model?.["x-catalog"]) {
      void names(model["x-catalog"]).then((all) => {
        const some = all.slice(0, 3).join(", ")
        const more = all.length > 3 ? ` and ${all.length - 3} more` : ""
        button.querySelector(".names").textContent = some + more
      })
    } else {
      button.querySelector(".names").textContent = post.summary
    }
    buttons.set(each, button)
    at("endpoints").append(make("li", {}, button))
  }
  await refresh()
  const first = [...buttons].find(([, button]) => !button.disabled) ?? [...buttons][0]
  choose(first[0])
  setInterval(() => document.hidden || void refresh(), STATE_EVERY)
}

at("form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault()
  void send()
})
at("cancel").addEventListener("click", () => request?.abort())
start().catch((error) => say(error.message, true))
