"""Failures to a chat: posts to a Slack-style webhook when calls fail, at most once in a while.

    pipeline:
      request: [{use: slack_errors, url: "${SLACK_WEBHOOK:-https://hooks.slack.com/services/T0/B0/x}", every: 1m}]

Nothing waits for it: the post is made once the call is over, and where the webhook is down, it is dropped.
"""

from gateway import seam
from gateway.seam import Call, Duration, Env, GatewayError, Handler, Outcome, Reply


class SlackErrors:
    """Posts the first failure at once, and then, `every` so often, the next with a count of those between."""

    class Settings(seam.Settings):
        """`url` is the webhook; `patience` bounds each wait of one post."""

        url: str
        every: Duration = Duration(60)
        patience: Duration = Duration(5)

    def __init__(self, settings: Settings) -> None:
        if not settings.url.startswith(("https://", "http://")):
            raise ValueError("expected a url that starts with https://")
        self._settings = settings
        self._next = 0.0
        self._untold = 0

    async def start(self, env: Env) -> None:
        """Keep what posting needs."""
        self._env = env

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Go on, and look at the end."""
        call.on_end(lambda outcome: self._tell(call, outcome) if outcome.kind == "failed" and self._due() else None)
        return await call_next(call)

    def _due(self) -> bool:
        """Whether it is time for a post; else the failure is counted only."""
        now = self._env.clock()
        if now < self._next:
            self._untold += 1
            return False
        self._next = now + self._settings.every
        return True

    async def _tell(self, call: Call, outcome: Outcome) -> None:
        untold, self._untold = self._untold, 0
        error = outcome.error
        what = f"{error.status}: {error.message[:500]}" if isinstance(error, GatewayError) else type(error).__name__
        more = f" ({untold} more since the last message)" if untold else ""
        document = {"text": f"{call.request.model} failed with {what} [{call.id}]{more}"}
        url, patience = self._settings.url, self._settings.patience
        try:
            answer = await self._env.http.request("POST", url, json=document, timeout=patience)
        except (GatewayError, ValueError) as problem:  # its text names the address, which is a secret here
            self._env.log.warning("slack_errors: the webhook cannot be reached: %s", type(problem).__name__)
        else:
            if answer.status >= 300:
                self._env.log.warning("slack_errors: the webhook answered %d", answer.status)
