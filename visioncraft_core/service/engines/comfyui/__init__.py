"""The engine that lets a ComfyUI make the results, over its HTTP API and websocket."""
