"""The engine that draws with the diffusers library, in a process of its own.

`engine` and `settings` are the server's side and import none of its libraries; `worker` is the
other side, and all else belongs to it.
"""
