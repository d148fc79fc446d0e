"""`/v1/chat/completions`: the face of a conversation, explained as OpenAI's chat models would."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from expllm.core.records import FaceAnalysis
from expllm.server.admission import AdmittedPlace
from expllm.server.analyzer import AnalysisOptions, Analyzer, MeasuredPicture
from expllm.server.bodies import attended
from expllm.server.chat_replies import ChatReply, Sentences, error_event, said_of
from expllm.server.chat_requests import ChatRequest
from expllm.server.http_errors import ApiError, while_streaming
from expllm.server.responses import ERRORS

_EVENTS: Final = "text/event-stream"
REPLY: Final[dict[int | str, dict[str, Any]]] = {
    **ERRORS,
    200: {
        "description": "OpenAI's chat completion, with a field `expllm`; with `stream` its chunks.",
        "content": {
            _EVENTS: {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    },
}


def chat_routes(analyzer: Analyzer) -> APIRouter:
    """The route."""
    router, limit = APIRouter(), analyzer.config.limits.work_s

    @router.post(
        "/v1/chat/completions",
        summary="Explain the largest face of the last picture of a conversation",
        responses=REPLY,
        response_class=Response,
    )
    async def complete(request: Request, asked: ChatRequest) -> Response:
        analyzer.models.check(asked.model)
        upload = asked.picture(allow_url=analyzer.config.allow_url)
        with ExitStack() as held:
            place = held.enter_context(analyzer.queue.enter())
            answer = ChatAnswer(analyzer, asked, place)
            measured = await attended(request, analyzer.look(place, upload, answer.options), limit)
            _ = measured.largest  # a picture without a face is an error, not a stream
            if not asked.stream:
                return JSONResponse(await attended(request, answer.whole(measured), limit))
            held.pop_all()  # the stream keeps the place
            return CompletionStream(answer, measured)

    return router


class ChatAnswer:
    """The answer to one chat request.

    Args:
        place: Its place in the queue; whoever took it gives it back.
    """

    def __init__(self, analyzer: Analyzer, asked: ChatRequest, place: AdmittedPlace) -> None:
        self._analyzer, self._asked, self.place = analyzer, asked, place
        self.options = AnalysisOptions(model=asked.model, write=not asked.only_label)
        self._reply = ChatReply(asked)

    async def whole(self, measured: MeasuredPicture) -> dict[str, Any]:
        """In one piece."""
        face = await self._explained(measured, self.options)
        faces = [face, *await self._others(measured)]
        self._analyzer.count(self.place, faces)
        return self._reply.whole(self._text(face), faces)

    async def events(self, measured: MeasuredPicture) -> AsyncGenerator[str, None]:
        """As a stream of events, sentence by sentence."""
        try:
            async for event in self._events(measured):
                yield event
        except Exception as error:
            yield error_event(while_streaming(error, self._analyzer.config.log).content)

    async def _events(self, measured: MeasuredPicture) -> AsyncGenerator[str, None]:
        sentences, face, streamed = Sentences(), None, False
        async for piece in self._pieces(measured):
            if isinstance(piece, FaceAnalysis):
                face = piece
                break
            for sentence in sentences.feed(piece):
                streamed = True
                yield self._reply.piece(sentence)
        for sentence in sentences.rest():
            streamed = True
            yield self._reply.piece(sentence)
        assert face is not None, "the analysis comes last"
        if not streamed:
            yield self._reply.piece(self._text(face))
        faces = [face, *await self._others(measured)]
        self._analyzer.count(self.place, faces)
        yield self._reply.end(faces)

    async def _pieces(self, measured: MeasuredPicture) -> AsyncGenerator[str | FaceAnalysis, None]:
        if not self.options.write:
            yield await self._explained(measured, self.options)
            return
        async for piece in self._analyzer.write(self.place, measured, self.options):
            yield piece

    async def _explained(self, measured: MeasuredPicture, options: AnalysisOptions) -> FaceAnalysis:
        (face,) = await self._analyzer.explain(self.place, measured.of([measured.largest]), options)
        return face

    async def _others(self, measured: MeasuredPicture) -> list[FaceAnalysis]:
        """The other faces, with labels only: the reply has one text."""
        rest = measured.of(measured.faces[1:])
        labels = AnalysisOptions(model=self._asked.model, write=False)
        return await self._analyzer.explain(self.place, rest, labels) if rest.faces else []

    def _text(self, face: FaceAnalysis) -> str:
        text = said_of(face, only_label=not self.options.write)
        if text is None:
            raise ApiError(422, "Nothing could be measured of the face.", "face_not_measured", param="image")
        return text


class CompletionStream(StreamingResponse):
    """The events. The place is given back whatever happens, even if the client left before the first."""

    def __init__(self, answer: ChatAnswer, measured: MeasuredPicture) -> None:
        super().__init__(answer.events(measured), media_type=_EVENTS)
        self._place = answer.place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)
