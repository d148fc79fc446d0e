"""The ASGI application: the same for `expllm serve` and behind any other ASGI server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from expllm import __version__
from expllm.server.access import Access
from expllm.server.admission import Admission
from expllm.server.analysis_routes import analysis_routes
from expllm.server.analyzer import Analyzer
from expllm.server.bodies import BodyLimits, BodyRule
from expllm.server.chat_routes import chat_routes
from expllm.server.course_routes import course_routes
from expllm.server.envelope import Envelope
from expllm.server.export_routes import export_routes
from expllm.server.head import HeadAsGet
from expllm.server.health_routes import health_routes
from expllm.server.http_errors import handle_errors
from expllm.server.page_routes import page_routes
from expllm.server.server_config import ServerConfig
from expllm.server.status_routes import status_routes
from expllm.server.text_routes import text_routes
from expllm.server.video_routes import VIDEO_PATH, video_routes

ROUTES: Final = (analysis_routes, text_routes, course_routes, chat_routes, export_routes, status_routes)


def create_app(config: ServerConfig, on_failure: Callable[[], object] = lambda: None) -> FastAPI:
    """The application. It loads its models when it starts, and answers `/health/ready` once they work.

    Args:
        config: What to serve, and to whom.
        on_failure: Called when a model cannot be loaded; `app.state.service.failure` says why.

    Raises:
        ExpllmError: as `Analyzer`.
    """
    analyzer = Analyzer(config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.ensure_future(analyzer.warm_up(on_failure))
        try:
            yield
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            await asyncio.to_thread(analyzer.close)

    # FastAPI's own pages load scripts from elsewhere: /docs is ours.
    app = FastAPI(title="ExpLLM", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = app.state.analyzer = analyzer
    app.state.models = analyzer.models.names
    for routes in ROUTES:
        app.include_router(routes(analyzer))
    app.include_router(health_routes(analyzer, analyzer.metrics.text))
    app.include_router(page_routes(config, analyzer.models.names))
    if analyzer.videos is not None:
        app.include_router(video_routes(analyzer, analyzer.videos))
    handle_errors(app, config.log)
    limits, others = config.limits, {}
    if analyzer.videos is not None:
        others[VIDEO_PATH] = BodyRule(limits.video_bytes, limits.video_body_s, analyzer.videos)
    add_layers(app, config, analyzer.queue, analyzer.metrics.answered, others)
    return app


def add_layers(
    app: FastAPI,
    config: ServerConfig,
    admission: Admission,
    answered: Callable[[str, int], object],
    others: Mapping[str, BodyRule],
) -> None:
    """Puts around an application what every request goes through: figures, limits, keys and hosts.

    Args:
        app: The application.
        config: Limits, keys, hosts, origins.
        admission: Where it is full, no body is read.
        answered: Is told the route and the status of each answer.
        others: What is read of the bodies of single paths.
    """
    # The last one that is added is the outermost.
    app.add_middleware(Access, config=config)
    if config.cors:
        methods = ["GET", "POST", "DELETE"]
        app.add_middleware(
            CORSMiddleware, allow_origins=config.cors, allow_methods=methods, allow_headers=["*"]
        )
    rule = BodyRule(config.limits.body_bytes, config.limits.body_s, admission)
    app.add_middleware(BodyLimits, limits=config.limits, rule=rule, others=others)
    app.add_middleware(Envelope, answered=answered, log=config.log)
    app.add_middleware(HeadAsGet)
