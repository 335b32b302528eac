import js from "@eslint/js"

const browser = [
  ...["AbortController", "Blob", "CustomEvent", "Event", "File", "FileReader", "FormData", "HTMLElement"],
  ...["Headers", "LiteGraph", "Node", "Request", "ResizeObserver", "Response", "URL", "URLSearchParams"],
  ...["cancelAnimationFrame", "clearInterval", "clearTimeout", "console", "crypto", "document"],
  ...["fetch", "location", "navigator", "performance", "queueMicrotask", "requestAnimationFrame"],
  ...["setInterval", "setTimeout", "structuredClone", "window"],
]

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: 2023,
      sourceType: "module",
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-alert": "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
      // What another pack or the page could see: a module keeps its names to itself.
      "no-restricted-syntax": [
        "error",
        {
          selector: "AssignmentExpression[left.object.name=/^(window|globalThis|self)$/]",
          message: "Keep it in the module: names of the page belong to all packs.",
        },
        {
          selector: "AssignmentExpression > MemberExpression.left[property.name='prototype']",
          message: "Leave ComfyUI's classes as they are.",
        },
        {
          selector: "AssignmentExpression > MemberExpression.left[object.property.name='prototype']",
          message: "Leave ComfyUI's classes as they are.",
        },
      ],
    },
  },
]
