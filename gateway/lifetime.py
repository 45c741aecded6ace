"""Components from their start to their close."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from gateway.seam import Env


async def start(stack: AsyncExitStack, components: Iterable[tuple[str, Any]], env: Env, grace: float) -> None:
    """Start components, each with its place, in their order; leaving the stack closes them in reverse.

    A component whose start fails is closed too, and RuntimeError says which it was. Each may take `grace` seconds to
    close; one that cannot be closed is logged, and keeps no other open.
    """
    stack.push_async_callback(env.http.aclose)
    stack.callback(env.threads.close)
    for place, component in components:
        if hasattr(component, "aclose"):
            stack.push_async_callback(_close, place, component, env, grace)
        if hasattr(component, "start"):
            try:
                await component.start(env)
            except Exception as error:
                raise RuntimeError(f"{place} could not start: {error}") from error
    # Left first: what calls have begun comes to its end before what it works with is closed.
    stack.push_async_callback(env.threads.drain, grace)
    stack.push_async_callback(env.tasks.drain, grace)


async def _close(place: str, component: Any, env: Env, grace: float) -> None:
    try:
        async with asyncio.timeout(grace):
            await component.aclose()
    except Exception:
        env.log.exception("%s could not be closed", place)
