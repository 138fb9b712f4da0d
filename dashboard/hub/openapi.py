"""The OpenAPI description, with the strict bodies' records among its components."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

ERROR_SCHEMA = {
    "type": "object",
    "properties": {"detail": {"type": "string", "description": "What is wrong, with which value, and the fix."}},
    "required": ["detail"],
}
REFUSALS = {
    404: "What was asked for does not exist.",
    409: "Contradicts what is stored.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "Malformed, or against a rule; nothing of the request was stored.",
    503: "A part that is needed does not answer; try again.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that may refuse with these statuses."""
    content = {"application/json": {"schema": ERROR_SCHEMA}}
    return {status: {"description": REFUSALS[status], "content": content} for status in statuses}


def program_version() -> str:
    """Version of the installed program, "0" when it runs from a plain checkout."""
    try:
        return version("microgrid")
    except PackageNotFoundError:
        return "0"


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of all routes, built once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _collect_definitions(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _collect_definitions(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for path in schema["paths"].values():
        for operation in path.values():
            for name, definition in operation.pop("x-definitions", {}).items():
                components.setdefault(name, definition)
