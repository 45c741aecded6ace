"""Graphs and runnables as nodes: what the tests' configurations name."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from gateway.langgraph import GatewayChatModel, LangGraphNode

MODEL = GatewayChatModel(model="m")


def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"12 degrees in {city}"


agent = LangGraphNode(create_agent(MODEL, [weather]))


class Essay(TypedDict):
    topic: str
    plan: str
    essay: str


async def plan(state: Essay) -> dict[str, str]:
    answer = await MODEL.ainvoke(f"plan {state['topic']}")
    return {"plan": str(answer.text)}


async def write(state: Essay) -> dict[str, str]:
    answer = await MODEL.ainvoke(f"write {state['plan']}")
    return {"essay": str(answer.text)}


_essay = (
    StateGraph(Essay)
    .add_node("plan", plan)
    .add_node("write", write)
    .add_edge(START, "plan")
    .add_edge("plan", "write")
    .add_edge("write", END)
)
essay = LangGraphNode(_essay.compile(), input="args")
planned = LangGraphNode(_essay.compile(), input="args", nodes=["plan"])
both = LangGraphNode(_essay.compile(), input="args", nodes=["plan", "write"])
named = LangGraphNode(_essay.compile(), input="args", output="plan")
made = LangGraphNode(_essay.compile(), input="args", output=lambda state: [state["topic"], state["essay"]])
lacking = LangGraphNode(_essay.compile(), input="args", output="summary")


def blocking(state: MessagesState) -> dict[str, Any]:
    """A node as most are written: synchronous, in a thread."""
    return {"messages": [MODEL.invoke(state["messages"])]}


threaded = LangGraphNode(
    StateGraph(MessagesState).add_node("say", blocking).add_edge(START, "say").add_edge("say", END).compile()
)


async def wrong(state: MessagesState) -> dict[str, Any]:
    return {"messages": [MODEL.invoke(state["messages"])]}


blocking_the_loop = LangGraphNode(StateGraph(MessagesState).add_node("say", wrong).add_edge(START, "say").compile())


def copying(state: MessagesState) -> dict[str, Any]:
    answer = MODEL.invoke(state["messages"])
    return {"messages": [AIMessage(str(answer.text))]}


copied = LangGraphNode(StateGraph(MessagesState).add_node("say", copying).add_edge(START, "say").compile())


def fixed(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("No model was asked.")]}


unsaid = LangGraphNode(StateGraph(MessagesState).add_node("say", fixed).add_edge(START, "say").compile())
inner = StateGraph(MessagesState).add_node("draft", blocking).add_node("final", blocking)
team = inner.add_edge(START, "draft").add_edge("draft", "final").compile()
nested = StateGraph(MessagesState).add_node("team", team).add_edge(START, "team").compile()
teams = LangGraphNode(nested)
finals = LangGraphNode(nested, nodes=["team/final"])


def breaking(state: MessagesState) -> dict[str, Any]:
    raise ValueError("a secret")


broken = LangGraphNode(StateGraph(MessagesState).add_node("say", breaking).add_edge(START, "say").compile())


def after(state: MessagesState) -> dict[str, Any]:
    raise ValueError("a secret")


breaks_late = LangGraphNode(
    StateGraph(MessagesState)
    .add_node("say", blocking)
    .add_node("fail", after)
    .add_edge(START, "say")
    .add_edge("say", "fail")
    .compile(),
    nodes=["say"],
)


def again(state: MessagesState) -> Command[Any]:
    return Command(goto="round")


rounds = LangGraphNode(
    StateGraph(MessagesState).add_node("round", again).add_edge(START, "round").compile(), max_steps=5
)
silent = LangGraphNode(
    StateGraph(Essay).add_node("say", lambda state: {"plan": "x"}).add_edge(START, "say").compile(), input="args"
)
elsewhere_model = GenericFakeChatModel(
    disable_streaming=True,
    messages=iter(
        AIMessage("From elsewhere.", usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        for _ in range(100)
    ),
)


async def abroad(state: MessagesState) -> dict[str, Any]:
    await elsewhere_model.ainvoke(state["messages"])
    return {"messages": [await MODEL.ainvoke(state["messages"])]}


mixed = LangGraphNode(
    StateGraph(MessagesState).add_node("a", abroad).add_node("b", fixed).add_edge(START, "a").compile(), nodes=["a"]
)


async def one(state: Essay) -> dict[str, str]:
    return {"plan": str((await MODEL.ainvoke(f"a slow {state['topic']}")).text)}


async def other(state: Essay) -> dict[str, str]:
    return {"essay": str((await MODEL.ainvoke(f"other {state['topic']}")).text)}


beside = LangGraphNode(
    StateGraph(Essay).add_node("a", one).add_node("b", other).add_edge(START, "a").add_edge(START, "b").compile(),
    input="args",
)
HELD = threading.Event()


def holding(state: MessagesState) -> dict[str, Any]:
    HELD.wait(20)
    return {}


held = LangGraphNode(StateGraph(MessagesState).add_node("say", holding).add_edge(START, "say").compile())


async def ask(state: MessagesState) -> dict[str, Any]:
    approved = interrupt({"approve": str(state["messages"][-1].text)})
    return {"messages": [AIMessage(f"You said: {approved!r}")]}


async def counted(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await MODEL.ainvoke(state["messages"])]}


_asking = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
_chatting = StateGraph(MessagesState).add_node("chat", counted).add_edge(START, "chat").add_edge("chat", END)
_stumbling = (
    StateGraph(MessagesState)
    .add_node("first", fixed)
    .add_node("chat", counted)
    .add_edge(START, "first")
    .add_edge("first", "chat")
)
asking = LangGraphNode(_asking.compile(checkpointer=InMemorySaver()))
forgetful_asking = LangGraphNode(_asking.compile())
saver = InMemorySaver()
remembering = LangGraphNode(_chatting.compile(checkpointer=saver))
stumbling = LangGraphNode(_stumbling.compile(checkpointer=InMemorySaver()))
OPENED: list[str] = []


@asynccontextmanager
async def opening() -> AsyncIterator[Any]:
    OPENED.append("opened")
    yield _chatting.compile(checkpointer=InMemorySaver())
    OPENED.append("closed")


opened = LangGraphNode(opening)
_prompt = ChatPromptTemplate([("system", "{tone}"), ("placeholder", "{messages}")])
chain = LangGraphNode(_prompt | MODEL | StrOutputParser())
alone = LangGraphNode(MODEL, input="text")
listed = LangGraphNode(MODEL, input=lambda messages, args: [HumanMessage(args["asked"])])
doubled = LangGraphNode(RunnableLambda(lambda text: {"doubled": text * 2}), input="text")
tools = LangGraphNode(MODEL.bind_tools([weather]), input=lambda messages, args: messages)
client_tools = LangGraphNode(
    StateGraph(MessagesState)
    .add_node("say", RunnableLambda(lambda state: {"messages": [AIMessage("", tool_calls=[CALL])]}))
    .add_edge(START, "say")
    .compile()
)
CALL = {"type": "tool_call", "name": "weather", "args": {"city": "Oslo"}, "id": "call_7"}


@tool(return_direct=True)
def direct(city: str) -> str:
    """Says it itself."""
    return f"12 degrees in {city}, at once"


direct_agent = LangGraphNode(create_agent(MODEL, [direct]))


@entrypoint()
async def functional(state: dict[str, Any]) -> str:
    answer = await MODEL.ainvoke(state["messages"])
    return f"It says {answer.text}"


function = LangGraphNode(functional, output=lambda text: text)


class Report(BaseModel):
    title: str
    scores: list[int]


async def report(state: MessagesState) -> dict[str, Any]:
    found = await MODEL.with_structured_output(Report).ainvoke(state["messages"])
    assert isinstance(found, Report)
    return {"messages": [AIMessage(found.title)]}


structured = LangGraphNode(create_agent(MODEL, [], response_format=ToolStrategy(Report)), output="structured_response")
reported = LangGraphNode(StateGraph(MessagesState).add_node("say", report).add_edge(START, "say").compile())
