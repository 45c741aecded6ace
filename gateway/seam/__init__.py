"""All that a plugin author reads.

A middleware is one method around the next handler; a provider answers a call; verbs on the Reply change the stream.
"""

from gateway.seam.call import Call, Caller, Conversation, Early, Ending, Inbound, Outcome, Target
from gateway.seam.chunk import Batch, Chunk
from gateway.seam.env import Env, Tasks
from gateway.seam.errors import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    PluginFailed,
    TooLarge,
    Unauthorized,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
)
from gateway.seam.estimates import Estimates
from gateway.seam.hot import Hot, HotState
from gateway.seam.http import Http, HttpAnswer
from gateway.seam.protocols import Component, Filter, Handler, Middleware, Node, Provider, TextFilter
from gateway.seam.reply import Given, Head, Reply, Source, fold, unfold
from gateway.seam.request import Request, Text
from gateway.seam.ring import owned, ring
from gateway.seam.settings import Duration, Settings, Size
from gateway.seam.shared import Shared
from gateway.seam.threads import Threads
from gateway.seam.timeouts import Timeouts
from gateway.wire.parts import Key, Part, Usage

__all__ = [
    "Batch",
    "Call",
    "Caller",
    "Chunk",
    "Component",
    "Conversation",
    "Duration",
    "Early",
    "Ending",
    "Env",
    "Estimates",
    "Filter",
    "GatewayError",
    "Given",
    "Handler",
    "Head",
    "Hot",
    "HotState",
    "Http",
    "HttpAnswer",
    "Inbound",
    "InvalidRequest",
    "Key",
    "Middleware",
    "ModelNotFound",
    "Node",
    "Outcome",
    "Part",
    "PluginFailed",
    "Provider",
    "Reply",
    "Request",
    "Settings",
    "Shared",
    "Size",
    "Source",
    "Target",
    "Tasks",
    "Text",
    "TextFilter",
    "Threads",
    "Timeouts",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UpstreamError",
    "UpstreamTimeout",
    "Usage",
    "fold",
    "owned",
    "ring",
    "unfold",
]
