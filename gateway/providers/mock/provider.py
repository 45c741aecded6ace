"""The mock provider itself."""

import asyncio
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import count

from gateway.providers.mock.answer import MODELS, answer, echo
from gateway.providers.mock.ask import Ask
from gateway.providers.mock.chat_shape import Shape
from gateway.providers.mock.embed import embeddings
from gateway.providers.mock.failures import FailurePlan, Planned, due
from gateway.providers.mock.moderate import Moderator
from gateway.providers.mock.refusals import refused
from gateway.providers.mock.replies import FixedReplies
from gateway.providers.mock.settings import BUILT_IN, MockSettings, Scripted
from gateway.providers.mock.source import Pace, Source, steps
from gateway.seam import Call, Chunk, Head, InvalidRequest, ModelNotFound, Reply, Timeouts
from gateway.wire.chat import CHAT_ANSWER
from gateway.wire.embeddings import EMBEDDINGS_ANSWER
from gateway.wire.moderations import MODERATIONS_ANSWER

MOST_BYTES = 64 * 1024 * 1024
"""How large the content of an answer may be, all its choices and log probabilities together."""


_SURFACES = {"embed": "embeddings", "moderate": "moderations"}
"""What the built-in models speak that do not chat."""


class _Persona:
    """A model by its name here: what it says, how fast, and what goes wrong with it."""

    __slots__ = ("failures", "model", "name", "pace", "replies", "surface")

    def __init__(self, name: str, scripted: Scripted, settings: MockSettings) -> None:
        self.name = name
        self.surface = _SURFACES.get(scripted.like, "chat")
        self.model = MODELS.get(scripted.like, echo)
        self.pace = Pace(
            settings.first_token if scripted.first_token is None else scripted.first_token,
            settings.pace if scripted.pace is None else scripted.pace,
        )
        self.replies = FixedReplies([reply for reply in settings.replies if fnmatchcase(name, reply.model)])
        failures = [failure for failure in settings.failures if fnmatchcase(name, failure.model)]
        self.failures = [
            FailurePlan(failure, f"{settings.seed}/{name}/{number}")
            for number, failure in enumerate([*scripted.failures, *failures])
        ]


class Mock:
    """Answers without a model. `open` counts its streams that are neither read nor closed yet."""

    Settings = MockSettings
    surfaces: Sequence[str] = ("chat", "embeddings", "moderations")

    def __init__(self, settings: MockSettings | None = None) -> None:
        settings = MockSettings() if settings is None else settings
        scripted = {name: Scripted(like=name) for name in BUILT_IN} | settings.models
        self._personas = {name: _Persona(name, model, settings) for name, model in scripted.items()}
        self._ids = count(1)
        self.models: Sequence[str] = tuple(self._personas)
        self.moderation_model = settings.moderation_model
        self._moderator = Moderator(settings.moderation)
        self.open = 0

    async def probe(self, timeouts: Timeouts) -> None:
        """It is always well."""

    async def __call__(self, call: Call) -> Reply:
        """Answer. Raises `ModelNotFound`, `InvalidRequest` as OpenAI would, and what the settings' failures say."""
        name = call.request.model if call.target is None else call.target.model
        persona = self._personas.get(name)
        if persona is None:
            raise ModelNotFound(name)
        if call.request.surface != persona.surface:
            message = f"The model {name!r} serves {persona.surface}, not {call.request.surface}."
            raise InvalidRequest(message, param="model", code="unsupported_surface")
        if persona.surface != "chat":
            return await self._textless(call, persona)
        ask = Ask(call.request)
        failure = due(persona.failures) if persona.failures else None
        if failure is not None and failure.at_once and failure.error is not None:
            raise failure.error
        shape = self._shape(persona, ask)
        if ask.stream:
            return Reply(call, Source(steps(shape, persona.pace, failure), self._opened), Head(), surface="chat")
        await _pass(shape.tokens, persona.pace, failure)
        return Reply.of(call, Chunk(shape.whole(), CHAT_ANSWER), Head())

    async def _textless(self, call: Call, persona: _Persona) -> Reply:
        """Embeddings and moderations: always whole, and made at once."""
        body = call.request.body
        if persona.surface == "embeddings":
            chunk = Chunk(await embeddings(body, persona.name), EMBEDDINGS_ANSWER)
        else:
            answer_id = b"mock%012d" % next(self._ids)
            chunk = Chunk(self._moderator.moderation(body, answer_id, persona.name), MODERATIONS_ANSWER)
        await _pass(0, persona.pace, due(persona.failures) if persona.failures else None)
        return Reply.of(call, chunk, Head())

    def _shape(self, persona: _Persona, ask: Ask) -> Shape:
        said = persona.replies.find(ask) or answer(persona.model, ask)
        shape = Shape(
            id=b"mock%012d" % next(self._ids),
            created=int(time.time()),
            model=persona.name,
            choices=ask.choices,
            answer=said,
            prompt_tokens=ask.prompt_tokens(),
            tokens=said.tokens(ask.count),
            logprobs=ask.logprobs,
            include_usage=ask.include_usage,
        )
        if shape.size() > MOST_BYTES:
            raise refused("n", "The answers that this asks for would be too large for the mock provider.")
        return shape

    def _opened(self, change: int) -> None:
        self.open += change


async def _pass(tokens: int, pace: Pace, failure: Planned | None) -> None:
    """Let the time pass that a whole answer takes, or never will."""
    if failure is not None:
        if failure.error is not None:
            raise failure.error
        await asyncio.get_running_loop().create_future()
    if pace.first_token or pace.token:
        await asyncio.sleep(pace.first_token + pace.token * tokens)
