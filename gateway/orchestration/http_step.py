"""Steps that send an HTTP request."""

from typing import Any

import msgspec

from gateway.orchestration.http_outbound import Answer, Outbound, Terms
from gateway.orchestration.http_request import Request
from gateway.orchestration.run import Run
from gateway.orchestration.work import Names
from gateway.routing.patience import Patience
from gateway.seam import GatewayError, Reply, UpstreamError, UpstreamTimeout
from gateway.wire.verbatim import INVALID

TIMEOUT = 30.0
"""Seconds that a request may take whose step says nothing of its own, redirects and the whole answer included."""
CONNECT = 10.0
"""Seconds of them that connecting may take."""
_WESTERN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"})


class HttpPatience(Patience):
    """How long one request may take."""

    def __init__(self, seconds: float, address: str) -> None:
        super().__init__(seconds)
        self._address = address

    def reason(self) -> GatewayError:
        """Status 504."""
        return UpstreamTimeout(f"{self._address} took longer than {self.seconds:g} s.", code="http_timeout")


class HttpStep:
    """A request and what is made of its answer: of JSON the value, of anything else the text."""

    def __init__(self, request: Request, outbound: Outbound, terms: Terms, seconds: float) -> None:
        """`seconds` bound one try."""
        self._request = request
        self._outbound = outbound
        self._terms = terms
        self._address = request.url.origin.address
        self._patience = HttpPatience(seconds, self._address)

    async def output(self, run: Run, names: Names) -> Any:
        """What the answer holds. Raises `UpstreamError` where there is none as it should be."""
        sent = self._request.filled(names)
        run.takes({"method": sent.method, "to": self._address})  # paths and bodies may hold secrets
        with self._patience.limit():
            answer = await self._outbound.fetch(sent, self._terms)
        return _content(answer, self._address)

    async def answer(self, run: Run, names: Names) -> Reply:
        """What the answer holds, as text."""
        return run.say(await self.output(run, names))


def _content(answer: Answer, address: str) -> Any:
    kind, _, parameters = answer.kind.partition(";")
    kind = kind.strip().lower()
    if not (answer.body and (kind in ("application/json", "text/json") or kind.endswith("+json"))):
        return answer.body.decode("cp1252" if _charset(parameters) in _WESTERN else "utf-8", errors="replace")
    try:
        return msgspec.json.decode(answer.body)
    except INVALID as error:
        raise UpstreamError(f"{address} sent JSON that cannot be read: {error}.", code="http_misshapen") from error


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""
