"""The HTTP server: faces explained over REST, and over OpenAI's chat protocol.

[`create_app`][expllm.server.app.create_app] makes the ASGI application,
[`Server`][expllm.server.uvicorn_server.Server] runs it.
Nothing of a picture is written or logged, anywhere.
"""
