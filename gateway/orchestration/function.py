"""Steps in Python: a function, or a node that answers as a model does."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from gateway.orchestration.run import Run
from gateway.orchestration.work import Names, read, text_in
from gateway.seam import Call, Conversation, GatewayError, Handler, Node, PluginFailed, Reply, owned
from gateway.stores.identity import identify

Args = Callable[[Run, Names], Mapping[str, Any]]
"""The arguments of a function, by name."""
_CODE = "function_failed"


class Function:
    """A function of `args`; one that `blocks`, for it is not `async`, runs in a thread."""

    def __init__(self, name: str, function: Callable[..., Any], args: Args, *, blocks: bool) -> None:
        self._name = name
        self._function = function
        self._args = args
        self._blocks = blocks

    async def output(self, run: Run, names: Names) -> Any:
        """What it returns. Raises `PluginFailed` where it fails, or returns what is no JSON."""
        args = self._args(run, names)
        run.takes(args)
        try:
            if self._blocks:
                result = await run.env.threads.run(partial(self._function, **args))
            else:
                result = await self._function(**args)
        except GatewayError:
            raise
        except Exception as error:
            run.env.log.exception("call %s: the function %s failed", run.call.id, self._name)
            failed = f"The function {self._name} failed; the gateway's log has more under {run.call.id}."
            raise PluginFailed(failed, code=_CODE) from error
        try:
            return msgspec.to_builtins(result)
        except (TypeError, ValueError, RecursionError) as error:
            wrong = f"The function {self._name} must return what JSON can hold: {error}."
            raise PluginFailed(wrong, code=_CODE) from error

    async def answer(self, run: Run, names: Names) -> Reply:
        """What it returns, as text."""
        return run.say(await self.output(run, names))


class Custom:
    """A node (`seam.Node`): it gets the caller's request, with `args` as `inputs`, and gives a Reply.

    What its Reply reports is what it has cost. Where the request names a conversation, the call knows it
    (`call.get(Conversation)`).
    """

    def __init__(self, step: str, node: Node, args: Args) -> None:
        self._step = step
        self._node = node
        self._args = args

    async def output(self, run: Run, names: Names) -> Any:
        """The text of its answer."""
        return text_in(await read(run, await self._entered(run, names, final=False)))

    async def answer(self, run: Run, names: Names) -> Reply:
        """Its answer, unread."""
        return run.answer(await self._entered(run, names, final=True))

    async def _entered(self, run: Run, names: Names, *, final: bool) -> Reply:
        body = {**run.parameters, "model": run.call.request.model, "messages": run.messages}
        body["inputs"] = inputs = self._args(run, names)
        run.takes({"messages": run.messages, "inputs": inputs})
        call = run.child(body, self._step, final=final)
        named = identify(run.call, run.parameters, "conversation")
        if named is not None:
            call.put(Conversation(named.owner, named.name))
        return await owned(partial(self._run, run.env.run), call)

    def _run(self, run: Handler, call: Call) -> Awaitable[Reply]:
        return self._node(call, run)
