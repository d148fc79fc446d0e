"""The page that describes the endpoints, made from the server's own OpenAPI document. It loads nothing."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
code {{ font-size: .95em; }} h2 {{ margin: 2rem 0 0; }} table {{ border-collapse: collapse; }}
td, th {{ text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee; }} a {{ color: #9cf; }} }}
</style></head><body><main><h1>{title}</h1>
<p>An estimate of what a face shows, not of what a person feels. Pictures are analyzed in memory and
forgotten.
The same in full for programs: <a href="/openapi.json">openapi.json</a>.</p>
{endpoints}
</main></body></html>
"""


def reference_page(schema: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        schema: The OpenAPI document.
    """
    endpoints = "\n".join(
        _endpoint(method.upper(), path, operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    )
    return PAGE.format(title=escape(schema["info"]["title"]), endpoints=endpoints)


def _endpoint(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>"
        for name, text in _rows(operation)
    )
    table = f"<table>{rows}</table>" if rows else ""
    return f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>{table}"


def _rows(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in operation.get("requestBody", {}).get("content", {}):
        yield "body", kind
    for parameter in operation.get("parameters", ()):
        yield parameter["name"], parameter.get("description", "")
    for status, response in operation["responses"].items():
        yield status, response["description"]
