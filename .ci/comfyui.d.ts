/**
 * The parts of ComfyUI's page that this pack uses, for the type check of web/js. Written by hand:
 * the published types have been empty since version 1.53. What an older front end lacks is optional.
 */

declare module "*/scripts/app.js" {
  export const app: App

  /** What `registerExtension` takes. */
  export interface Extension {
    name: string
    settings?: Setting[]
    commands?: Command[]
    menuCommands?: { path: string[]; commands: string[] }[]
    init?(app: App): void | Promise<void>
    setup?(app: App): void | Promise<void>
    /** Before the file of a workflow becomes nodes; it may be changed here. */
    beforeConfigureGraph?(workflow: SavedWorkflow, missing?: unknown): void | Promise<void>
    afterConfigureGraph?(missing?: unknown): void | Promise<void>
    beforeRegisterNodeDef?(type: Function, definition: NodeDefinition, app: App): void
    nodeCreated?(node: GraphNode, app: App): void
    loadedGraphNode?(node: GraphNode, app: App): void
    refreshComboInNodes?(definitions: Record<string, NodeDefinition>): void | Promise<void>
    getNodeMenuItems?(node: GraphNode): (MenuItem | null)[]
    getCanvasMenuItems?(canvas: unknown): (MenuItem | null)[]
  }

  export interface App {
    registerExtension(extension: Extension): void
    /** The workflow itself; older front ends have only `graph`, newer ones show a subgraph there. */
    rootGraph?: Graph
    graph?: Graph
    canvas?: {
      setDirty(foreground: boolean, background?: boolean): void
      selected_nodes?: Record<string, GraphNode>
    }
    nodeOutputs?: Record<string, any>
    lastNodeErrors?: Record<string, any> | null
    extensionManager: ExtensionManager
    graphToPrompt(): Promise<{ workflow: SavedWorkflow; output: Prompt }>
    queuePrompt(number: number, count?: number): Promise<boolean>
    refreshComboInNodes(): Promise<void>
    reloadNodeDefs?(): Promise<void>
    collectNodeMenuItems?(node: GraphNode): (MenuItem | null)[]
  }

  export interface ExtensionManager {
    toast: { add(message: Toast): void; addAlert(message: string): void }
    command: { execute(id: string): Promise<void> }
    dialog: {
      prompt(question: {
        title: string
        message: string
        defaultValue?: string
      }): Promise<string | null>
      confirm(question: {
        title: string
        message: string
        type?: string
        itemList?: string[]
        hint?: string
      }): Promise<boolean | null>
    }
    setting: { get(id: string): any; set(id: string, value: unknown): Promise<void> }
  }

  export interface Toast {
    severity: "success" | "info" | "warn" | "error"
    summary: string
    detail?: string
    /** Milliseconds; without it the message stays until it is closed. */
    life?: number
  }

  export interface Setting {
    id: string
    name: string
    type:
      | string
      | ((
          name: string,
          setter: (value: unknown) => void,
          value: unknown,
          attrs?: Record<string, unknown>,
        ) => HTMLElement)
    defaultValue: unknown
    category?: string[]
    tooltip?: string
    attrs?: Record<string, unknown>
    options?: (string | { text: string; value: unknown })[]
    sortOrder?: number
    onChange?(value: any, before?: any): void
  }

  export interface Command {
    id: string
    label: string
    icon?: string
    tooltip?: string
    function(): void | Promise<void>
  }

  export interface MenuItem {
    content: string
    disabled?: boolean
    callback?(...all: any[]): void
    submenu?: { options: (MenuItem | null)[] }
  }

  /** What /object_info says of a node class. */
  export interface NodeDefinition {
    name: string
    display_name?: string
    python_module?: string
    input?: {
      required?: Record<string, InputSpec>
      optional?: Record<string, InputSpec>
    }
  }

  /** The kind, or the list of choices, and the options. */
  export type InputSpec = [string | unknown[], Record<string, any>?]

  export interface Graph {
    id?: string
    nodes: GraphNode[]
    getNodeById(id: string | number): GraphNode | null | undefined
    setDirtyCanvas?(foreground: boolean, background?: boolean): void
  }

  export interface GraphNode {
    id: string | number
    type: string
    title?: string
    mode?: number
    comfyClass?: string
    /** What an instance of a subgraph holds. */
    subgraph?: Graph
    graph?: Graph | null
    size: [number, number]
    color?: string
    bgcolor?: string
    inputs?: InputSlot[]
    outputs?: { name: string; type: string; links?: (string | number)[] | null }[]
    widgets?: Widget[]
    badges?: (() => unknown)[]
    properties?: Record<string, any>
    progress?: number
    imgs?: HTMLImageElement[]
    addWidget(
      type: string,
      name: string,
      value: unknown,
      callback: ((...all: any[]) => void) | null,
      options?: Record<string, unknown>,
    ): Widget
    addDOMWidget(
      name: string,
      type: string,
      element: HTMLElement,
      options?: Record<string, unknown>,
    ): Widget & { element: HTMLElement }
    computeSize?(): [number, number]
    setSize?(size: [number, number]): void
    expandToFitContent?(): void
    setDirtyCanvas?(foreground: boolean, background?: boolean): void
    onExecuted?(output: any): void
    onRemoved?(): void
    getExtraMenuOptions?(canvas: unknown, options: (MenuItem | null)[]): unknown
    onConnectionsChange?(...all: any[]): void
  }

  export interface InputSlot {
    name: string
    type: string
    link?: string | number | null
    widget?: { name: string }
  }

  export interface Widget {
    name: string
    type: string
    value: any
    hidden?: boolean
    /** False keeps it out of the saved workflow; the option of this name out of the prompt. */
    serialize?: boolean
    options: Record<string, any>
    serializeValue?(...all: any[]): unknown
    element?: HTMLElement
    inputEl?: HTMLTextAreaElement
    tooltip?: string
    callback?(...all: any[]): void
  }

  export interface SavedWorkflow {
    id?: string
    nodes?: SavedNode[]
    definitions?: { subgraphs?: { nodes?: SavedNode[] }[] }
    [other: string]: unknown
  }

  export interface SavedNode {
    id: string | number
    type: string
    widgets_values?: any
    widgets_values_named?: Record<string, unknown>
    [other: string]: unknown
  }

  export type Prompt = Record<string, { class_type: string; inputs: Record<string, unknown> }>
}

declare module "*/scripts/utils.js" {
  export function applyTextReplacements(graph: any, text: string): string
}

/** Of the drawing library, which older front ends put on the page. */
declare const LiteGraph: any

declare module "*/scripts/api.js" {
  export const api: Omit<EventTarget, "addEventListener" | "removeEventListener"> & {
    clientId?: string
    user?: string
    fetchApi(route: string, options?: RequestInit): Promise<Response>
    apiURL(route: string): string
    fileURL(route: string): string
    interrupt(promptId?: string | null): Promise<void>
    addEventListener(type: string, listener: (event: CustomEvent<any>) => void, options?: any): void
    removeEventListener(type: string, listener: (event: CustomEvent<any>) => void): void
  }
}
