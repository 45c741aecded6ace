"""The public harness: calls for a middleware's own tests, a served gateway, a scripted upstream on a real socket."""

from gateway.testing.background import Background
from gateway.testing.calls import answer, answering, ask, chat_call, messages_call
from gateway.testing.messages import message, messages_event, messages_events
from gateway.testing.plugins import use
from gateway.testing.served import Served, serve
from gateway.testing.upstream import Received, Upstream, Wire, completion, events

__all__ = [
    "Background",
    "Received",
    "Served",
    "Upstream",
    "Wire",
    "answer",
    "answering",
    "ask",
    "chat_call",
    "completion",
    "events",
    "message",
    "messages_call",
    "messages_event",
    "messages_events",
    "serve",
    "use",
]
