"""When something goes wrong, and what it looks like from inside the gateway."""

import math
from collections.abc import Sequence
from itertools import cycle
from random import Random
from typing import NamedTuple

from gateway.providers.mock.settings import Failure
from gateway.seam import GatewayError, UpstreamError

_TYPES: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
"""OpenAI's `type` and `code` by status (https://platform.openai.com/docs/guides/error-codes)."""


class Planned(NamedTuple):
    """A failure that is due: behind so many content events, this error; None: nothing comes any more."""

    at_once: bool
    after: int
    error: GatewayError | None


class FailurePlan:
    """Decides for one failure of the settings which calls fail: by turns, or by a seeded chance."""

    def __init__(self, failure: Failure, seed: str) -> None:
        self._failure = failure
        self._turns = None if failure.sequence is None else cycle([turn == "fail" for turn in failure.sequence])
        self._random = Random(seed)  # noqa: S311 (a deterministic chance is what is wanted)

    def due(self) -> bool:
        """Whether the call that comes now fails. Each call must ask once."""
        if self._turns is not None:
            return next(self._turns)
        return self._failure.rate is None or self._random.random() < self._failure.rate

    def planned(self) -> Planned:
        """The failure, with an error of its own."""
        return Planned(self._failure.kind == "status", self._failure.after, _error(self._failure))


def due(plans: Sequence[FailurePlan]) -> Planned | None:
    """The failure of the call that comes now: the first that is due. All count the call."""
    found = [plan for plan in plans if plan.due()]
    return found[0].planned() if found else None


def _error(failure: Failure) -> GatewayError | None:
    match failure.kind:
        case "stall":
            return None
        case "reset":
            return UpstreamError(failure.message or "The provider's connection was reset.", code=failure.code)
        case "truncate":
            return UpstreamError(failure.message or "The provider's stream ended without its end.", code=failure.code)
    kind, code = _TYPES.get(failure.status, ("server_error", None) if failure.status >= 500 else _TYPES[400])
    wait = failure.retry_after
    return GatewayError(
        failure.message or f"The mock provider failed with status {failure.status}, as its settings say.",
        status=failure.status,
        type=failure.type or kind,
        code=failure.code or code,
        headers=() if wait is None else ((b"retry-after", b"%d" % math.ceil(wait)),),
    )
