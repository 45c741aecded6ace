"""What the load generators ask: bodies that differ from request to request, in bytes made once.

They differ so that no cache or coalescing answers in an upstream's place; a benchmark with one fixed body measures
hits.
"""

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

NUMBER_WIDTH = 14
PLACE = b"0" * NUMBER_WIDTH
CALL = b"call-"


def first_number() -> int:
    """A number from which to count so that no two loads of a run repeat one another: milliseconds, shifted."""
    return int(time.time() * 1000) % 10**8 * 10**6


@dataclass
class Ask:
    """One kind of request, for one address: `request()` gives the bytes of the next."""

    model: str
    port: int
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    dialect: str = "chat"
    """Whose shape the body has: `chat`, or `messages`."""
    host: str = "127.0.0.1"
    talkers: int = 0
    """How many users take turns, the first again after the last; 0: each request is another's."""

    def body(self) -> bytes:
        """The JSON body, its number all zeros: that of what is asked or, where users take turns, of who asks."""
        system = "You are a helpful assistant who answers in two sentences."
        number = (CALL + PLACE).decode()
        asks = "Tell me" if self.talkers else number
        user = {"role": "user", "content": f"{asks}: why is the sky blue, and red at sunset?"}
        said: dict[str, object] = {"system": system, "messages": [user]}
        if self.dialect == "chat":
            said = {"messages": [{"role": "system", "content": system}, user]}
        document: dict[str, object] = {"model": self.model, **said, "temperature": 0.7, "max_tokens": 256}
        if self.talkers:
            document["user"] = number
        if self.stream:
            document["stream"] = True
        return json.dumps(document, separators=(",", ":")).encode()

    def halves(self) -> tuple[bytes, bytes]:
        """The whole request's bytes before and after its number."""
        body = self.body()
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        before, after = body.split(PLACE)
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + before, after

    def requests(self) -> Callable[[], tuple[int, bytes]]:
        """A function that gives the next request and its number."""
        before, after = self.halves()
        first, count = first_number(), itertools.count()

        def request() -> tuple[int, bytes]:
            number = next(count)
            number = first + (number % self.talkers if self.talkers else number)
            return number, before + b"%0*d" % (NUMBER_WIDTH, number) + after

        return request
