"""A middleware that asks the shared state for each request, as limits will."""

from gateway.seam import Call, Env, Handler, Reply


class Counting:
    """Counts requests in all processes."""

    async def start(self, env: Env) -> None:
        self._hot = env.hot

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        await self._hot.add("requests", 1, 3600)
        await self._hot.get("policy")
        return await call_next(call)
