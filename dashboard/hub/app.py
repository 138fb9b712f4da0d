"""The hub as an ASGI app: one router per noun, strict bodies, errors in words, CORS for this machine's pages only."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from contracts.settings import MarketConfig
from dashboard.hub.api import ROUTERS
from dashboard.hub.bodies import shorten
from dashboard.hub.errors import Refused
from dashboard.hub.hub import open_hub
from dashboard.hub.market import Connect, connect_ledger
from dashboard.hub.openapi import describe, program_version
from simulation.clock import SimClock
from simulation.settings import SiteConfig

log = logging.getLogger(__name__)

LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
DESCRIPTION = """Where the buildings, the operator and the pages of an energy community meet.

Every POST may be repeated: what is known already changes nothing. Bodies are strict JSON (a number is never a string,
NaN is refused), and every refusal is `{"detail": "…"}` naming the value and the fix. Powers are kW, energy on the
market is whole Wh, money whole base units of the payment token. Times are ISO 8601 in UTC; simulated unless said
otherwise."""


def create_app(
    folder: Path,
    clock: SimClock,
    site: SiteConfig,
    market: MarketConfig,
    expected: Sequence[str],
    connect: Connect = connect_ledger,
) -> FastAPI:
    """The hub on the database in `folder`; `expected` are the scenario's building ids. May raise HubError."""
    app = FastAPI(
        title="Microgrid hub",
        version=program_version(),
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's documentation pages load scripts from another host
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.hub = open_hub(folder, clock, site, market, expected, connect)
    for router in ROUTERS:
        app.include_router(router)
    _add_handlers(app)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # FastAPI documents this way of extending it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.hub.database.close()


def _add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _bad_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OperationalError, _storage_failed)
    app.add_middleware(
        CORSMiddleware,
        allow_origin_regex=LOOPBACK_ORIGIN,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type"],
    )


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse({"detail": error.detail}, error.status)


async def _bad_parameters(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [f"{fault['loc'][-1]} = {shorten(fault['input'])}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"detail": "; ".join(faults)}, 422)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {shorten(request.url.path)}: {error.detail}; the routes are listed in /openapi.json"
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


async def _storage_failed(_: Request, error: Exception) -> JSONResponse:
    """A full disk, a read-only folder, or a lock held by another program."""
    log.error("the database does not take this: %s", error)
    cause = error.__cause__ or error
    return JSONResponse({"detail": f"the hub's database does not answer ({cause}); free disk space and try again"}, 503)
