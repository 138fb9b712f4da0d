"""Strict JSON bodies: parsed by pydantic in JSON mode, so that "1" is no number and NaN is no power.

FastAPI's own body parsing validates Python objects, where strictness would refuse ISO times; these
dependencies keep both.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers

from dashboard.hub.errors import Invalid, TooLarge, WrongType

T = TypeVar("T")

MAX_BODY_BYTES = 4_000_000
MAX_SHOWN_ERRORS = 3
REF_TEMPLATE = "#/components/schemas/{model}"


class JsonBody(Generic[T]):
    """A dependency that yields the request's body as one record of type `kind`."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    async def __call__(self, request: Request) -> T:
        """Parse the body. Raises WrongType, TooLarge, or Invalid naming the field, its value and the rule."""
        return parse(self._adapter, await _body_of(request))

    def openapi(self) -> dict[str, Any]:
        """`openapi_extra` of a route that takes this body."""
        return describe_body(self._adapter.json_schema(ref_template=REF_TEMPLATE))


class JsonBatch(Generic[T]):
    """A dependency that yields one record or a list of at most `limit`, as a list."""

    def __init__(self, kind: type[T], limit: int) -> None:
        self._one: TypeAdapter[T] = TypeAdapter(kind)
        self._many = cast("TypeAdapter[list[T]]", TypeAdapter(list[kind]))  # type: ignore[valid-type]  # a runtime type
        self._limit = limit

    async def __call__(self, request: Request) -> list[T]:
        """Parse the body. Raises WrongType, TooLarge, or Invalid naming record, field, value and rule."""
        body = await _body_of(request)
        if not body.lstrip().startswith(b"["):
            return [parse(self._one, body)]
        records = parse(self._many, body)
        if len(records) > self._limit:
            raise Invalid(f"{len(records)} records in one request; send at most {self._limit} at a time")
        return records

    def openapi(self) -> dict[str, Any]:
        """`openapi_extra` of a route that takes this body."""
        many = self._many.json_schema(ref_template=REF_TEMPLATE)
        definitions = many.pop("$defs", {})
        return describe_body({"anyOf": [many["items"], many | {"maxItems": self._limit}], "$defs": definitions})


def parse(adapter: TypeAdapter[T], body: bytes) -> T:
    """Validate JSON strictly. Raises Invalid with words."""
    try:
        return adapter.validate_json(body, strict=True)
    except ValidationError as error:
        raise Invalid(explain(error)) from error
    except OverflowError as error:
        raise Invalid(f"a time is outside the years 1 to 9999 ({error}); send an ISO 8601 time in UTC") from error


def explain(error: ValidationError) -> str:
    """The first few faults as one line: where, what was found, what is expected."""
    faults = error.errors(include_url=False)
    shown = "; ".join(_fault(fault) for fault in faults[:MAX_SHOWN_ERRORS])
    more = len(faults) - MAX_SHOWN_ERRORS
    return f"{shown}; and {more} more" if more > 0 else shown


def _fault(fault: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).removeprefix(".")
    if fault["type"] == "json_invalid":
        return f"the body is not JSON: {fault['ctx']['error']}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{where} is not a known field; remove it"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where or 'the body'} = {shorten(fault['input'])}: {message}"


def shorten(value: object, length: int = 60) -> str:
    """`repr` for an error text, cut to `length` characters."""
    text = repr(value)
    return text if len(text) <= length else text[:length] + "…"


def describe_body(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI of a JSON body; shared definitions are moved into the components by `openapi.describe`."""
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}, "x-definitions": definitions}


async def _body_of(request: Request) -> bytes:
    _require_json(request.headers)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer records at a time")
    return bytes(body)


def _require_json(headers: Headers) -> None:
    """A page of another origin can send text/plain without asking; JSON makes its browser ask first (CORS)."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongType(f"Content-Type is {kind or 'missing'}; send application/json")
