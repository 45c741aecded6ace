"""Conversations that are kept: what a chain with memory opens for each turn.

    turn = await conversations.open(call, messages, members, memory)
    reply = turn.keep(await ask_the_model(turn.messages))

`turn.messages` is what the model is to see. `keep` watches the reply on its way: when it has ended well, the turn's
messages and the answer are written together, and otherwise nothing is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from gateway.seam import Batch, Call, Caller, Env, Outcome, Reply, fold
from gateway.stores.database import Database
from gateway.stores.identity import Change, Memory, Named, identify
from gateway.stores.message import INSTRUCTIONS, Message, chained, message, messages, turns_in
from gateway.stores.prefix import Place, place
from gateway.stores.window import begin, seen
from gateway.wire.verbatim import encode, open_array, open_object

if TYPE_CHECKING:
    from gateway.stores.archive import Archive, Head
    from gateway.stores.journal import Entry

_SUMMARY = "Summary of the conversation so far:\n"


class Conversations:
    """All kept conversations of this gateway. `start` and `aclose` are the database's affair as well."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._env: Env
        self._archive: Archive | None = None

    async def start(self, env: Env) -> None:
        """Be ready; the database is opened by whoever owns it."""
        self._env = env

    @property
    def archive(self) -> "Archive":
        """What is behind: for those who list, read and delete."""
        if self._archive is None:
            # SQLAlchemy comes with it, only where something is kept.
            from gateway.stores.archive import Archive  # noqa: PLC0415

            self._archive = Archive(self.database, self._env)
        return self._archive

    async def open(
        self, call: Call, sent: Sequence[Raw], members: Mapping[str, Any], memory: Memory, model: str = ""
    ) -> "Turn":
        """A turn of the conversation that the request names; one that names none is kept nowhere.

        `sent` are the request's messages, `members` what else its body has (`metadata`, `user`), both unopened; `model`
        is who will see the messages, for counting tokens. Raises `InvalidRequest` for a name that cannot be one, and
        `DatabaseUnavailable`.
        """
        named = identify(call, members, memory.by)
        turn = Turn(self, memory, messages(sent), model)
        if named is not None:
            await turn.find(named)
        return turn

    def weigh(self, model: str, source: bytes) -> int:
        """About how many tokens a message has."""
        return self._env.estimates.tokens(model, source)

    @property
    def env(self) -> Env:
        """What components may use."""
        return self._env


class Turn:
    """One request of a conversation, from its messages to its answer."""

    def __init__(self, owner: Conversations, memory: Memory, sent: Sequence[Message], model: str) -> None:
        lead = next((at for at, one in enumerate(sent) if one.role not in INSTRUCTIONS), len(sent))
        self._owner = owner
        self._memory = memory
        self._model = model
        self._instructions = [one.source for one in sent[:lead]]
        self._sent = sent[lead:]
        self._entry: Entry | None = None
        self._head: Head | None = None
        self._variables: dict[str, Change] = {}
        self._batches: list[Batch] = []
        self._fallen = 0
        self._summary = ""
        self._caller: Caller | None = None
        self.name: str | None = None
        """The id that the client gave the conversation, which this one may be within; None: this turn is of none."""
        self.messages: list[Raw] = []
        """What the model is to see: instructions, the summary of what fell out, and the last turns."""
        self._show(self._sent, turns_in(self._sent))

    async def find(self, named: Named) -> None:
        """Look up what is kept, and find out what is new."""
        archive = self._owner.archive
        head = await archive.head(named)
        sent, memory = self._sent, self._memory
        where = await self._place(archive, head)
        history: Sequence[Message] = sent
        kept: Sequence[Message] | None = () if head is None and len(sent) == 1 else None
        turns = turns_in(sent)
        if head is not None:
            if where.keep != where.start:  # the client does not have all of it
                kept = await archive.last(head, memory)
                history = [*kept, *sent[where.start :]]
                turns = head.turns + turns_in(sent[where.start :])
            if not self._instructions and head.instructions:
                self._instructions = [bytes(one) for one in open_array(head.instructions)]
            if head.summary and where.keep >= head.length:
                self._summary = head.summary
        self._entry = archive.entry(named, head, sent, where, self._given(head), memory, kept)
        self._head = head
        self.name = (named.around or named).name
        self._show(history, turns)

    async def _place(self, archive: "Archive", head: "Head | None") -> Place:
        sent = self._sent
        if head is None:
            return Place(0, 0)
        if len(sent) >= head.length and chained(b"", sent[: head.length]) == head.chain:
            return Place(head.length, head.length)
        answered = any(one.role == "assistant" for one in sent)
        if not answered:
            return Place(head.length, 0)
        return place(await archive.digests(head), [one.digest for one in sent], answered=True)

    def _given(self, head: "Head | None") -> bytes | None:
        """The instructions where they are other than those that are kept."""
        if not self._instructions:
            return None
        source = b"[%s]" % b",".join(self._instructions)
        return None if head is not None and source == head.instructions else source

    def _show(self, history: Sequence[Message], turns: int) -> None:
        memory = self._memory

        def weigh(source: bytes) -> int:
            return self._owner.weigh(self._model, source)

        begins = begin(history, memory.last, memory.tokens, weigh)
        before = turns - turns_in(history)
        if memory.summarise is not None and self.name is not None:
            self._fallen = before + turns_in(history[:begins])
            # What fell out and is not summed up yet stays in sight, up to as much again.
            done = 0 if self._head is None or not self._summary else self._head.summarised
            wide = begin(
                history,
                memory.reach(memory.last),
                memory.reach(memory.tokens),
                weigh,
            )
            begins = min(begins, max(_after(history, done - before), wide))
        shown = [Raw(source) for source in self._instructions]
        if self._summary:
            shown.append(Raw(encode({"role": "system", "content": _SUMMARY + self._summary})))
        self.messages = shown + [Raw(one.source) for one in seen(history, begins)]

    # ---- what is kept

    async def variables(self) -> dict[str, Any]:
        """The variables that are kept beside the messages, by name."""
        if self._head is None:
            return {}
        return await self._owner.archive.variables(self._head)

    def remember(self, name: str, value: Any) -> None:
        """Keep a variable, what JSON can hold, when the turn ends well; it takes the place of what is there then."""
        source = encode(value)
        self.change(name, lambda _: source)

    def change(self, name: str, change: Change) -> None:
        """Let a variable become what `change` makes of the one that is kept when the turn has ended well."""
        self._variables[name] = change

    def keep(self, reply: Reply) -> Reply:
        """Write the turn when its answer, this reply, has ended well; returns the same reply."""
        if self._entry is None:
            return reply
        self._caller = reply.call.caller
        return reply.tap(self._see).on_end(self._ended)

    def _see(self, batch: Batch) -> None:
        self._batches.append(Batch(batch.raw, batch.codec))  # of bytes: what others decoded of it is not held

    def _ended(self, outcome: Outcome) -> None:
        entry, batches = self._entry, self._batches
        self._entry, self._batches = None, []
        if entry is None or outcome.kind != "ok" or not batches:
            return
        entry.variables = self._variables
        archive = self._owner.archive
        archive.keep(entry, lambda: _answer(batches))
        if self._memory.summarise is not None and self._fallen:
            archive.summaries.wanted(entry.named, self._memory, self._fallen, self._caller)


def _answer(batches: Sequence[Batch]) -> Message | None:
    """The message in an answer's first choice; None where it has none. Raises `UpstreamError` where it is none."""
    chunk = fold(batches, "chat")
    choices = open_array(open_object(chunk.raw)["choices"])
    return message(bytes(open_object(choices[0])["message"])) if choices else None


def _after(history: Sequence[Message], turns: int) -> int:
    """Where the turn after the first `turns` begins."""
    for at, one in enumerate(history):
        if one.role == "user":
            if turns <= 0:
                return 0 if turns_in(history[:at]) == 0 else at
            turns -= 1
    return len(history)
