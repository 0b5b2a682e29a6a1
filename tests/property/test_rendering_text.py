"""Whatever a claim holds, a header or a query value stays one, and says the same."""

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Denied
from authz.policy.policyset import HeaderForm
from authz.rendering.encoding import header_text, item_text, values_text
from authz.rendering.query import owned_parameters, refuse_owned, scope_parameters
from authz.rendering.render import render
from authz.scopes.constraints import Between, one_of
from authz.scopes.rowfilter import RowFilter, where
from authz.scopes.values import ValueType, value_text
from tests.allows import CIRCUMSTANCES, allow, principal, warehouse
from tests.scope_strategies import TYPES, constraints, filters, texts

EXAMPLES = settings(max_examples=300, deadline=None)
any_text = st.text(alphabet=st.characters(), max_size=30) | texts
FORMS = (HeaderForm.VALUES, HeaderForm.JSON, HeaderForm.SQL)


def _is_safe(value: str) -> bool:
    return value.isascii() and (value == "" or value.isprintable()) and value == value.strip()


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogatepass")


@EXAMPLES
@given(any_text)
def test_any_text_as_a_header_is_printable_ascii_and_reads_back(text: str) -> None:
    """Lone surrogates included."""
    assert _is_safe(header_text(text))
    assert _decoded(header_text(text)) == text


@EXAMPLES
@given(st.lists(any_text, max_size=5))
def test_any_texts_as_a_list_read_back(items: list[str]) -> None:
    """Split first, decode then."""
    joined = ",".join(map(item_text, items))
    assert _is_safe(joined)
    assert [_decoded(item) for item in joined.split(",")] == (items or [""])


@EXAMPLES
@given(st.sampled_from(sorted(TYPES.values())).flatmap(constraints))
def test_a_constraint_as_text_reads_back(constraint: object) -> None:
    """A list, a range and `*` are never mistaken for each other, whatever the values hold."""
    if constraint is None:
        return
    text = values_text(constraint)  # type: ignore[arg-type]
    assert _is_safe(text)
    assert text != "*"
    if not isinstance(constraint, Between):
        assert ".." not in text
        assert [_decoded(item) for item in text.split(",")] == [value_text(v) for v in constraint.values]  # type: ignore[attr-defined]
        return
    low, high = text.split("..")
    assert low.startswith(">") == constraint.low_open
    assert high.startswith("<") == constraint.high_open
    bounds = [_decoded(low.removeprefix(">")), _decoded(high.removeprefix("<"))]
    assert bounds == [
        "" if bound is None else value_text(bound) for bound in (constraint.low, constraint.high)
    ]


@settings(max_examples=150, deadline=None)
@given(any_text, filters(("region", "customer")), st.sampled_from([FORMS, FORMS[1:], FORMS[:1]]))
def test_every_header_of_every_scope_is_safe(
    subject: str, rows: RowFilter, forms: tuple[HeaderForm, ...]
) -> None:
    """Or the request is denied."""
    columns = {"region": "region", "customer": "customer"}
    decision = allow(rows, columns=columns, headers=forms)
    try:
        rewrites = render(decision, principal(subject), CIRCUMSTANCES)
    except Denied:
        return
    for name, value in rewrites.set_headers:
        assert _is_safe(value)
        assert name == name.lower()
    assert not {name for name, _ in rewrites.set_headers} & set(rewrites.remove_headers)


@EXAMPLES
@given(
    st.lists(texts, min_size=1, max_size=4), any_text.filter(lambda name: name.isprintable() and name != "")
)
def test_a_parameter_is_one_parameter_and_reads_back(values: list[str], name: str) -> None:
    """By an independent parser, whatever the values and the name hold."""
    try:
        text = scope_parameters(warehouse(query={"region": name}), where({"region": one_of(values)}))
    except Denied:
        assert len(owned_parameters([name])) == 1  # a spelling of `__scope`
        return
    ((read_name, value),) = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    assert read_name == name
    assert sorted(_decoded(item) for item in value.split(",")) == sorted(set(values))


@EXAMPLES
@given(
    st.lists(
        st.sampled_from(["plain", "upper", "encoded", "encoded-lower", "twice"]), min_size=6, max_size=6
    ),
    st.sampled_from(["", "[]", "%5B0%5D", "+", "%20", "%00x"]),
    st.sampled_from(["", "a=1&", "a=1;", "&", "q=%26&"]),
)
def test_no_mixture_of_spellings_passes(how: list[str], suffix: str, before: str) -> None:
    """Each letter in its own way."""
    name = "".join(_spelled(letter, way) for letter, way in zip("region", how, strict=True))
    with pytest.raises(Denied):
        refuse_owned(f"{before}{name}{suffix}=US", owned_parameters(["region"]))


def _spelled(letter: str, way: str) -> str:
    code = f"{ord(letter):02X}"
    return {
        "plain": letter,
        "upper": letter.upper(),
        "encoded": f"%{code}",
        "encoded-lower": f"%{code.lower()}",
        "twice": f"%25{code}",
    }[way]


@EXAMPLES
@given(st.text(alphabet=st.sampled_from("region%5b&;=+._[]\x00\u00e9 "), max_size=20))
def test_any_query_passes_or_is_refused(query: str) -> None:
    """Never another exception."""
    try:
        refuse_owned(query, owned_parameters(["region"]))
    except Denied:
        return
    assert "region" not in [name for name, _ in parse_qsl(query, keep_blank_values=True)]


def test_ranges_of_every_type_have_a_text() -> None:
    """No type is forgotten."""
    assert {ValueType.BOOLEAN, *TYPES.values()} == set(ValueType)
