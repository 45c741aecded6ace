"""Templates: what they make, what is refused, and that nothing gets beyond the bounds."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.problems import ConfigError
from gateway.orchestration.sandbox import LARGEST
from gateway.orchestration.template import TemplateError, compile_value
from gateway.orchestration.template import compile as compile_template

NAMES: dict[str, Any] = {
    "input": "Where is my order?",
    "messages": [{"role": "user", "content": "Where is my order?"}],
    "inputs": {"docs": ["one", "two"], "n": 3, "empty": "", "none": None},
    "params": {"temperature": 0.5},
    "metadata": {},
    "review": {"score": 4, "items": ["a"], "why": "good"},
    "draft": "A draft.",
    "visits": {"answer": 2},
    "many": list(range(1000)),
}


def rendered(source: str, **names: Any) -> str:
    return compile_template(source, "here").render({**NAMES, **names})


def failed(source: str, **names: Any) -> TemplateError:
    template = compile_template(source, "chains.c.prompt")
    begun = time.thread_time()
    with pytest.raises(TemplateError) as caught:
        template.render({**NAMES, **names})
    assert time.thread_time() - begun < 5
    return caught.value


def refused(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compile_template(source, "here")
    assert all(problem.place == "here" for problem in caught.value.problems)
    assert all(problem.cure for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Sum up: {{ input }}", "Sum up: Where is my order?"),
        ("", ""),
        ("no names\n", "no names\n"),
        ("{{ review.score }} {{ review['why'] }}", "4 good"),
        ("{{ inputs.docs }}", '["one","two"]'),
        ("{{ review }}", '{"score":4,"items":["a"],"why":"good"}'),
        ("{{ true }} {{ none }} {{ 1.5 }} {{ inputs.none }}", "true null 1.5 null"),
        ("{{ review.items[0] }}", "a"),
        ("{% for d in inputs.docs %}{{ loop.index }}. {{ d }}\n{% endfor %}", "1. one\n2. two\n"),
        ("{% for d in inputs.docs if d != 'one' %}{{ d }}{% else %}none{% endfor %}", "two"),
        ("{% for k, v in review.items() %}{{ k }};{% endfor %}", "score;items;why;"),
        ("{% if review.score > 3 %}good{% else %}bad{% endif %}", "good"),
        ("{% set x = input.upper() %}{{ x }}", "WHERE IS MY ORDER?"),
        ("{{ inputs.docs | join(', ') }} {{ inputs.docs | length }}", "one, two 2"),
        ("{{ messages | map(attribute='content') | join }}", "Where is my order?"),
        ("{{ inputs.docs | map('upper') | join(' ') }}", "ONE TWO"),
        ("{{ many | select('divisibleby', 400) | list }}", "[0,400,800]"),
        ("{{ messages | selectattr('role', 'eq', 'user') | map(attribute='content') | first }}", "Where is my order?"),
        ("{{ nothing | default('x') }}{{ nothing.at.all | d('y') }}{{ review.gone | default('z') }}", "xyz"),
        ("{{ inputs.empty | default('e', true) }}", "e"),
        ("{{ 'yes' if draft is defined else 'no' }}{{ 'yes' if nope is defined else 'no' }}", "yesno"),
        ("{{ input[:5] }}|{{ input[-6:] }}|{{ many[::500] }}", "Where|order?|[0,500]"),
        ("{{ 'a' ~ 1 ~ true }}", "a1true"),
        ("{{ 7 // 2 }} {{ 7 % 4 }} {{ 2 * 3 + 1 }} {{ '-' * 5 }}", "3 3 7 -----"),
        ("{{ '{{ input }}' }}{% raw %}{{ x }}{% endraw %}", "{{ input }}{{ x }}"),
        ("{{ input.split(' ')[0] }} {{ input.replace('my', 'your') }}", "Where Where is your order?"),
        ("{{ review.get('gone', 'no') }} {{ review.keys() | join }}", "no scoreitemswhy"),
        ("{{ review | tojson(indent=1) }}", '{\n "score": 4,\n "items": [\n  "a"\n ],\n "why": "good"\n}'),
        ("{{ '<b>' }} & <i>", "<b> & <i>"),
        ("{{ (1, 2) | sum }} {{ many | max }} {{ [3, 1] | sort }} {{ [1, 1] | unique }}", "3 999 [1,3] [1]"),
        ("{{ 'x' in input }} {{ 'order' in input }} {{ 1 in many }}", "false true true"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{{ '3.7' | int }} {{ 'x' | int(9) }} {{ '1.5' | float }} {{ 2.345 | round(2) }}", "3 9 1.5 2.35"),
        ("{{ 'one two three' | truncate(9) }}", "one two…"),
        ("{{ 3[1:] | default('none') if false else 'x' }}{{ (3).a | default('y') }}", "xy"),
    ],
)  # fmt: skip
def test_what_templates_make(source: str, text: str) -> None:
    assert rendered(source) == text


def test_what_callers_send_is_never_template_code() -> None:
    attack = "{{ 7 * 7 }}{% for x in messages %}{% endfor %}"
    assert rendered("{{ input }}{{ inputs.docs[0] }}", input=attack, inputs={"docs": [attack]}) == attack * 2
    assert rendered("{{ [input] | join }}{{ input ~ '' }}", input=attack) == attack * 2


def test_a_template_of_texts_alone_needs_no_program() -> None:
    for names in ({"input": "x"}, {"input": 3}):
        assert rendered("<{{ input }}>", **names) == f"<{names['input']}>"


# ---- names that are missing


@pytest.mark.parametrize(
    ("source", "missing", "status"),
    [
        ("{{ nope }}", ("nope",), 500),
        ("a {{ input }} {{ nope.deep }}", ("nope",), 500),
        ("{{ inputs.topic }}", ("inputs", "topic"), 400),
        ("{{ inputs['topic'] | upper }}", ("inputs", "topic"), 400),
        ("{{ metadata.user.name }}", ("metadata", "user"), 400),
        ("{% if review.gone %}x{% endif %}", ("review", "gone"), 500),
        ("{% for x in inputs.list %}{% endfor %}", ("inputs", "list"), 400),
        ("{{ 1 + inputs.topic }}", ("inputs", "topic"), 400),
        ("{{ input ~ nope }}", ("nope",), 500),
    ],
)
def test_a_missing_name_is_named(source: str, missing: tuple[str, ...], status: int) -> None:
    error = failed(source)
    assert (error.missing, error.status) == (missing, status)
    assert str(error).startswith(f"chains.c.prompt: {'.'.join(missing)} is not defined")
    assert error.param == (missing[0] if status == 400 else None)
    assert not error.retryable


def test_what_is_named_is_what_was_missing() -> None:
    source = "{% if input %}{{ nope.x }}{% else %}{{ inputs.topic }}{% endif %}"
    assert (failed(source).missing, failed(source).status) == (("nope",), 500)
    error = failed("{% for m in messages %}{{ m.gone }}{% endfor %}{{ inputs.gone | d('') }}")
    assert (error.missing, str(error)) == ((), "chains.c.prompt: a block has no 'gone'")


def test_the_line_is_told_where_there_are_several() -> None:
    assert str(failed("one\n{{ input }}\n{{ nope | upper }}\n")) == "chains.c.prompt: line 3: nope is not defined"


def test_what_is_of_the_wrong_kind_is_told() -> None:
    assert "expected a list, found text" in str(failed("{% for x in input %}{% endfor %}"))
    assert "text + a number means nothing here" in str(failed("{{ input + 1 }}"))
    assert "a list has no upper()" in str(failed("{{ inputs.docs.upper() }}"))
    assert "text has no 'upper'" in str(failed("{{ draft[0].upper }}"))
    assert "expected text, found a list" in str(failed("{{ inputs.docs | upper }}"))
    assert "division" in str(failed("{{ 1 / 0 }}"))


# ---- attacks


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 100000000 }}", "{{ 100000000 * 'a' }}",
        "{% set a = 'ab' %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
        "{% set a = 'ab' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a == [1, a] }}",
        "{% set a = [1] %}" + "{% set a = a + a %}" * 60,
        "{% set a = 9 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
        "{% for a in many %}{% for b in many %}{% for c in many %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in many %}{% for b in many %}x{% endfor %}{% endfor %}",
        "{% for a in many %}{{ long }}{% endfor %}",
        "{% for a in many %}{% if 'zz' in long %}{% endif %}{% endfor %}",
        "{% for a in many %}{% if long == other %}{% endif %}{% endfor %}",
        "{% for a in many %}{{ long | upper | length }}{% endfor %}",
        "{% for a in many %}{{ long.find('zz') }}{% endfor %}",
        "{% for a in many %}{% set b = long[1:] %}{% endfor %}",
        "{% for a in many %}{{ many | sort | length }}{% endfor %}",
        "{{ long | replace('a', long) }}", "{{ long.replace('', long) }}", "{{ many | join(long) }}",
        "{{ long | indent(100000) | indent(100000) }}{{ '\n' * 4000000 | indent(1000) }}",
        "{{ many | map('string') | map('truncate', 0, true, long) | list }}",
        "{{ long.strip(long) }}", "{{ long | trim(long) }}", "{{ nested | tojson(indent=8) }}",
        "{{ long.split('a') | length }}", "{{ long.split() | map('upper') | list }}",
        "{{ many | map('replace', '1', long) | list }}",
        "{% for a in many %}{{ many | map('string') | join | tojson | length }}{% endfor %}",
        "{{ '%1000000000d' % 1 }}", "{{ 1 if [long] * 100000000 else 2 }}",
        "{{ many | sum * 99999999999 * 'a' }}",
    ],
)  # fmt: skip
def test_what_grows_or_repeats_is_bounded(source: str) -> None:
    long = "a" * 1_000_000
    nested: Any = list(range(100_000))
    for _ in range(300):
        nested = [nested]
    error = failed(source, long=long, other="a" * 999_999 + "b", nested=nested)
    assert error.status in (400, 500)
    assert str(error).startswith("chains.c.prompt: ")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ 'a' * 10 ** 8 }}", "** is not there"),
        ("{{ 'a' | center(1000000000) }}", "the filter 'center' is not there"),
        ("{{ '%s' | format(input) }}", "the filter 'format' is not there"),
        ("{{ '{:>1000000000}'.format(1) }}", "the method format() is not there"),
        ("{{ 'a'.ljust(1000000000) }}", "the method ljust() is not there"),
        ("{{ ''.__class__ }}", "'__class__' is private"),
        ("{{ input | attr('__class__') }}", "the filter 'attr' is not there"),
        ("{{ messages | map(attribute='__class__') | list }}", "'__class__' is private"),
        ("{{ messages | map(attribute=input) | list }}", "an attribute must be named in quotes"),
        ("{{ messages | map(input) }}", "what map applies must be named in quotes"),
        ("{{ messages | select(input) }}", "what select applies must be named in quotes"),
        ("{{ messages | selectattr('_x') }}", "'_x' is private"),
        ("{{ messages | map('attr', '__class__') }}", "the filter 'attr' is not there"),
        ("{{ input | join(*messages) }}", "* and ** cannot hand over arguments"),
        ("{{ range(1000000000) }}", "range() cannot be called"),
        ("{{ cycler.__init__ }}", "'__init__' is private"),
        ("{{ lipsum(n=10000) }}", "lipsum() cannot be called"),
        ("{{ joiner()() }}", "this cannot be called"),
        ("{{ self }}", "self is not there"),
        ("{% include '/etc/passwd' %}", "{% include %} may not stand in a template"),
        ("{% import 'x' as y %}", "{% import %} may not stand in a template"),
        ("{% extends 'x' %}", "{% extends %} may not stand in a template"),
        ("{% from 'x' import y %}", "{% from %} may not stand in a template"),
        ("{% macro f() %}{% endmacro %}", "{% macro %} may not stand in a template"),
        ("{% call f() %}{% endcall %}", "{% call %} may not stand in a template"),
        ("{% block x %}{% endblock %}", "{% block %} may not stand in a template"),
        ("{% filter upper %}x{% endfilter %}", "{% filter %} may not stand in a template"),
        ("{% set x %}y{% endset %}", "{% set … endset %} may not stand in a template"),
        ("{% with x = 1 %}{% endwith %}", "{% with %} may not stand in a template"),
        ("{% autoescape true %}{% endautoescape %}", "{% autoescape %} may not stand in a template"),
        ("{% do x %}", "{% do %} may not stand in a template"),
        ("{% for x in messages recursive %}{{ loop(x) }}{% endfor %}", "a loop may not be recursive"),
        ("{% set x.y = 1 %}", "only names can be set"),
        ("{{ " + "9" * 5000 + " }}", "a number in it is too long"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "it is nested too deeply"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "it is nested too deeply (too many statically nested blocks)"),
        ("{{ x }}" * 6000, "it has more than 5,000 parts"),
    ],
)
def test_what_nobody_needs_is_refused_when_it_is_read(source: str, told: str) -> None:
    begun = time.thread_time()
    assert any(message.startswith(told.partition(" (")[0]) for message in refused(source))
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize(
    "source",
    ["{{ input['__class__'] }}", "{{ inputs['__class__'] }}", "{{ messages[0]['__init__'] }}", "{{ loop }}",
     "{{ input.upper }}", "{{ inputs.keys }}", "{{ many.append }}", "{{ namespace }}", "{{ environment }}"],
)  # fmt: skip
def test_objects_have_no_attributes(source: str) -> None:
    assert "function" not in str(failed(source))


def test_private_names_of_data_stay_data() -> None:
    assert rendered("{{ inputs['__class__'] }}", inputs={"__class__": "data"}) == "data"


def test_values_that_are_no_data_are_not_written() -> None:
    assert "unsupported" in str(failed("{{ thing }}", thing=object()))
    assert "has no 'secret'" in str(failed("{{ thing.secret }}", thing=type("T", (), {"secret": 1})()))
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in str(failed("{{ deep }}", deep=deep))


def test_a_text_may_be_as_long_as_the_bound_and_no_longer() -> None:
    assert len(rendered("{{ input }}", input="x" * LARGEST)) == LARGEST
    assert failed("{{ input }}", input="x" * (LARGEST + 1)).status == 400
    assert failed("a{{ input }}", input="x" * LARGEST).status == 400
    assert "longer than 4,194,304 characters" in str(failed("{{ input | d }}{{ input }}", input="x" * LARGEST))


def test_what_is_legitimate_fits() -> None:
    turns = [{"role": "user", "content": "word " * 50} for _ in range(2000)]
    source = "{% for m in messages %}{{ m.role | upper }}: {{ m.content | trim }}\n{% endfor %}"
    assert len(rendered(source, messages=turns)) > 500_000
    assert len(rendered("{{ input.splitlines() | length }}", input="a line of text\n" * 50_000)) == 5


# ---- which names are read


@pytest.mark.parametrize(
    ("source", "variables", "required"),
    [
        ("{{ a.b }} {{ c }}", {"a", "c"}, {"a", "c"}),
        ("{{ a | default(b) }}", {"a", "b"}, {"b"}),
        ("{% if a is defined %}{{ a.x }}{% endif %}", {"a"}, set()),
        ("{% for a in b %}{{ a }}{{ c }}{% endfor %}", {"b", "c"}, {"b", "c"}),
        ("{% set a = b %}{{ a }}", {"b"}, {"b"}),
        ("{{ a.b[c].d | d('') }}", {"a", "c"}, {"c"}),
        ("{{ a.upper() }}{{ b.get(c) }}", {"a", "b", "c"}, {"a", "b", "c"}),
        ("{{ a | default('') }}{{ a }}", {"a"}, {"a"}),
    ],
)
def test_the_names_that_are_read(source: str, variables: set[str], required: set[str]) -> None:
    template = compile_template(source, "here")
    assert (template.variables, template.required) == (variables, required)


# ---- values


def test_a_value_keeps_its_type_where_it_is_an_expression_alone() -> None:
    assert compile_value("{{ inputs.docs }}", "x").value(NAMES) == ["one", "two"]
    assert compile_value("{{ review.score + 1 }}", "x").value(NAMES) == 5
    assert compile_value("n {{ inputs.n }}", "x").value(NAMES) == "n 3"
    assert compile_value("plain", "x").value(NAMES) == "plain"
    assert compile_value(7, "x").value(NAMES) == 7
    nested = compile_value({"a": ["{{ inputs.n }}", None], "b": {"c": "{{ draft }}!"}}, "x")
    assert nested.value(NAMES) == {"a": [3, None], "b": {"c": "A draft.!"}}
    assert nested.variables == {"inputs", "draft"}
    with pytest.raises(TemplateError, match=r"x\.a: nope is not defined"):
        compile_value({"a": "{{ nope }}"}, "x").value(NAMES)


# ---- whatever is written


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "*", "~", "%", "//", "-", "/", "in", "==", "<", "and"])
    filters = st.sampled_from(
        ["upper", "join", "tojson", "sort", "list", "length", "sum", "unique", "indent(9)", "title", "min",
         "replace('a', 'aaaa')", "map('upper')", "default(1)", "join(long)", "string", "reverse", "truncate",
         "select('string')", "round", "int"]
    )  # fmt: skip
    endings = st.sampled_from(
        [".split()", ".upper()", "[1:]", "[0]", ".items()", ".a", ".count('a')", ".join(many)", "['x']"]
    )
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} | {})".format, inner, filters),
        st.builds("{}{}".format, inner, endings),
    )


def _longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% for x in {} %}}{}{{% endfor %}}".format, _EXPRESSIONS, inner),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, _EXPRESSIONS, inner),
        st.builds("{{% set long = {} %}}{}".format, _EXPRESSIONS, inner),
    )


_NAMED = ["input", "inputs.docs", "review.score", "many", "nope", "long", "'ab'", "3", "[1, 2]", "messages"]
_EXPRESSIONS = st.recursive(st.sampled_from(_NAMED), _larger, max_leaves=8)
_BODIES = st.recursive(st.builds("{{{{ {} }}}}".format, _EXPRESSIONS), _longer, max_leaves=5)


@settings(max_examples=400, deadline=2000)
@given(_BODIES)
def test_no_template_gets_beyond_the_bounds(source: str) -> None:
    """Whatever is written: it is refused, or fails in our words, or makes a text within the bound, soon."""
    text, told = "", "here: "
    try:
        text = compile_template(source, "here").render({**NAMES, "long": "a " * 50_000})
    except (ConfigError, TemplateError) as error:
        told = str(error)
    assert "here: " in told
    assert len(text) <= LARGEST


@settings(max_examples=300, deadline=2000)
@given(st.text(alphabet="{}%#| '\"()[].,abinput=+*~-\n0", max_size=40))
def test_no_text_breaks_the_compiler(source: str) -> None:
    told = "here: "
    try:
        compile_template(source, "here").render(NAMES)
    except (ConfigError, TemplateError) as error:
        told = str(error)
    assert "here: " in told
