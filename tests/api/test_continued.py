import json

import pytest

from gateway.api.continued import Continued
from gateway.seam import Batch
from gateway.testing import messages_event, messages_events
from gateway.wire.messages import MESSAGES_EVENT
from tests.doors import named_events_of

USAGE = {"input_tokens": 7, "cache_read_input_tokens": 11, "output_tokens": 3, "service_tier": "standard"}


def through(*batches: bytes) -> bytes:
    write = Continued()
    return b"".join(write(Batch(batch, MESSAGES_EVENT)) for batch in batches)


@pytest.mark.parametrize("joined", [False, True])
def test_the_start_is_left_out_and_its_counts_come_with_the_end(joined: bool) -> None:
    pieces = messages_events("Hello", usage=USAGE)
    came = through(b"".join(pieces)) if joined else through(*pieces)
    *begun, (name, delta), stop = named_events_of(came)
    assert begun == named_events_of(b"".join(pieces[1:-2]))
    assert (name, stop[0]) == ("message_delta", "message_stop")
    assert delta["usage"] == {"output_tokens": 3, "input_tokens": 7, "cache_read_input_tokens": 11}


def test_all_else_keeps_its_bytes() -> None:
    pieces = messages_events('"message_start" message_delta', {"type": "new", "n": 1})
    assert through(b"".join(pieces[1:-2])) == b"".join(pieces[1:-2])
    source = b'{"n": 1.00, "type": "message_delta", "usage" : {"output_tokens": 3.0}, "m":[ ]}'
    came = through(pieces[0], b"event: message_delta\ndata: %s\n\n" % source)
    assert came == b"event: message_delta\ndata: %s\n\n" % source.replace(
        b'{"output_tokens": 3.0}', b'{"output_tokens":3.0,"input_tokens":7}'
    )


@pytest.mark.parametrize(
    "event",
    [
        messages_event("message_delta", delta={"stop_reason": "end_turn"}),
        messages_event("message_delta", delta={}, usage=None),
        b"event: message_delta\ndata: {\n\n",
        b"event: message_delta\ndata: [1]\n\n",
        b'event: message_delta\ndata: {"type":"message_delta","usage":[]}\n\n',
        b'event: message_start\ndata: {"type":"message_start","message":5}\n\n',
    ],
)
def test_what_does_not_fit_passes_as_it_is(event: bytes) -> None:
    assert through(messages_events()[0], event) == event


def test_a_start_without_usage_adds_nothing() -> None:
    start = messages_event("message_start", message={"id": "x"})
    end = messages_event("message_delta", delta={}, usage={"output_tokens": 1})
    ((_, delta),) = named_events_of(through(start, end))
    assert json.dumps(delta["usage"]) == '{"output_tokens": 1}'
