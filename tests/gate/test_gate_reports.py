"""What a gate leaves behind: JUnit that validates, Markdown that no prompt can break, words, JSON."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree as Xml

import pytest
from fake_runs import prompts, run
from markdown_it import MarkdownIt

from stepbench.errors import IncompleteError, NotComparableError
from stepbench.gate import check
from stepbench.gate.explain import explain
from stepbench.gate.junit import junit_xml
from stepbench.gate.markdown import literal, markdown
from stepbench.gate.wording import gate_rows, headline, one_line, short
from stepbench.gate.write import write_refusal, write_reports

NASTY = (
    "中文 🙂 a | b `c` <img src=x onerror=alert(1)> [link](javascript:x) ![i](http://evil.example/x.png) @someone #12 "
    "**bold** _it_ &amp; \\| </code></td>\n# head\n\nwww.evil.example\u202egnp\x00\x1b[31m ]]>"
)

# Elements, their attributes and children as the Jenkins xUnit schema `junit-10.xsd` (MIT) has them.
SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"},
        {"name", "tests", "failures", "errors"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": ({"type", "message"}, set(), set()),
    "failure": ({"type", "message"}, set(), set()),
    "error": ({"type", "message"}, set(), set()),
    "system-out": (set(), set(), set()),
}


def result(policy=None, *, shift=2.0, n=40, text="a fox", anchor=False, **options):
    table = prompts(n).assign(text=text)
    a, b = run("a", table, 1), run("b", table, 2, shift=shift)
    b.values["motion"]["p001", 0] = math.nan
    demands = {name: {"margin": 0.5} for name in ("flicker", "quality")} | {
        "motion": {"margin": 0.5, "direction": "higher"}
    }
    return check(b, a, policy or {"metrics": demands}, anchor=a if anchor else None, **options)  # pyright: ignore


def parsed(text: str) -> Xml.Element:
    root = Xml.fromstring(text)
    for element in root.iter():
        allowed, required, children = SCHEMA[element.tag]
        assert required <= set(element.attrib) <= allowed
        assert {child.tag for child in element} <= children
    for suite in root:
        assert re.fullmatch(r"\d+(\.\d*)?", suite.get("time", ""))
        cases = suite.findall("testcase")
        assert int(suite.get("tests", -1)) == len(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, -1)) == sum(case.find(tag) is not None for case in cases)
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, -1)) == sum(int(suite.get(name, -1)) for suite in root)
    return root


def test_junit_has_a_case_per_metric_and_names_the_prompts():
    root = parsed(junit_xml(result()))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {"flicker", "quality", "motion"}
    failure = cases["flicker"].find("failure")
    assert failure is not None
    assert failure.get("type") == "regression"
    assert "beyond the margin 0.5" in failure.get("message", "")
    assert re.search(r"^p\d{3}: \S+ -> \S+: a fox$", failure.text or "", re.MULTILINE)
    assert [child.tag for child in cases["quality"]] == ["system-out"]
    error = cases["motion"].find("error")
    assert error is not None
    assert error.get("type") == "incomplete"


@pytest.mark.parametrize(("word", "tag"), [("fail", "failure"), ("warn", "skipped"), ("pass", None)])
def test_junit_shows_the_inconclusive_as_it_was_asked(word, tag):
    found = result({"metrics": {"quality": {"margin": 0.5}}}, shift=-0.4, n=6)
    assert found.verdict == "inconclusive"
    case = next(parsed(junit_xml(found, word)).iter("testcase"))
    assert [child.tag for child in case if child.tag != "system-out"] == ([tag] if tag else [])
    assert "prompts would settle it" in "".join(case.itertext()) + "".join(child.get("message", "") for child in case)


def test_junit_has_a_suite_per_reference():
    root = parsed(junit_xml(result(anchor=True)))
    assert [suite.get("name") for suite in root] == ["b against baseline a", "b against anchor a"]
    assert [case.get("classname") for case in root.iter("testcase")] == ["stepbench.gate.baseline"] * 3 + [
        "stepbench.gate.anchor"
    ] * 3


def test_no_prompt_breaks_junit():
    root = parsed(junit_xml(result(text=NASTY)))
    assert "<img src=x onerror=alert(1)>" in "".join(root.itertext())
    assert "\x1b" not in "".join(root.itertext())


def rendered(text: str) -> str:
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)


def test_markdown_is_a_table_with_every_metric_and_the_fallen_prompts():
    html = rendered(markdown(result()))
    assert html.count("<table>") == 2  # the metrics, and the prompts that fell in flicker; none fell in motion
    assert "<h3>stepbench gate: regression: flicker</h3>" in html
    for word in ("flicker ↓", "quality ↑", "at most +0.5", "at least -0.5", "incomplete", "95% interval", "n needed"):
        assert word in html
    assert re.search(r"<code>p\d{3}</code>", html)
    assert "Holm over 3 tests" in html


def test_no_prompt_breaks_markdown():
    clean, nasty = rendered(markdown(result())), rendered(markdown(result(text=NASTY)))
    tags = re.compile(r"</?([a-z0-9]+)[ >]")
    assert tags.findall(nasty) == tags.findall(clean)
    assert "&lt;img src=x onerror=alert(1)&gt;" in nasty
    assert "\u202e" not in nasty
    assert "中文" in nasty
    # What finds links and names in the text finds nothing to begin with.
    source = markdown(result(text=NASTY))
    assert not re.search(r"@someone|https?://|www\.|\]\(|<img", source)


@pytest.mark.parametrize(
    "text", ["`", "|", "a_b_c _d_", "*x*", "~~x~~", "<b>", "[x](y)", "\\|", "$x$", "&lt;", "#1", "a\tb\n\nc"]
)
def test_literal_text_renders_as_itself(text):
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).renderInline(literal(text))
    assert not re.search(r"<[a-z]", html)
    shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("&quot;", '"')
    assert shown == " ".join(text.split())


def test_long_prompts_are_cut_and_names_of_metrics_stay_whole():
    assert literal("motion_magnitude") == "motion_magnitude"
    assert short("x" * 500) == "x" * 159 + "…"
    assert one_line("a\u2028b\ud800") == "a b"


def test_the_headline_names_the_metrics():
    assert headline(result()) == "regression: flicker"
    quality = {"metrics": {"quality": {"margin": 0.5}}}
    assert headline(result(quality)) == "pass: no loss beyond its margin in quality"
    rows = gate_rows(result())
    assert [row["verdict"] for row in rows] == ["regression", "pass", "incomplete"]
    assert "against" not in rows[0]
    assert [row["against"] for row in gate_rows(result(quality, anchor=True))] == ["baseline", "anchor"]


def test_the_explanation_says_what_would_change_each_verdict():
    found = result()
    told = "\n".join(explain(found))
    flicker = found.metrics[0]
    assert "flicker against the baseline: regression" in told
    assert f"a margin above {flicker.loss_low:.4g} would make it inconclusive" in told
    bound = re.search(r"regression\n(?:.*\n)*?.*a margin of (\S+) or more would pass", told)
    assert bound is not None
    assert flicker.loss_high <= float(bound[1]) <= flicker.loss_high * 1.01
    assert "at most 2.5% pass" in told
    assert "the missing scores, or a lower min_coverage" in told
    assert "no margin, the interval holds no loss at all" in told  # quality has risen
    close = result({"metrics": {"quality": {"margin": 0.5}}}, shift=-0.1)
    assert f"a margin below {close.metrics[0].loss_high:.4g} would not pass" in "\n".join(explain(close))
    few = "\n".join(explain(result({"metrics": {"quality": {"margin": 0.5, "min_n": 60}}}, shift=-0.4, n=6)))
    assert "6 prompts, the policy demands 60" in few
    assert "the policy wants 60 prompts at least" in few


def test_a_margin_that_the_explanation_names_does_pass():
    found = result({"metrics": {"flicker": {"margin": 0.5}}})
    bound = re.search(r"a margin of (\S+) or more would pass", "\n".join(explain(found)))
    assert bound is not None
    assert result({"metrics": {"flicker": {"margin": float(bound[1])}}}).verdict == "pass"
    assert result({"metrics": {"flicker": {"margin": found.metrics[0].loss_high * 0.999}}}).verdict != "pass"


def test_what_holm_takes_back_is_explained():
    table = prompts(3)
    names = ["quality", "flicker", *(f"m{i}" for i in range(6))]
    a, b = run("a", table, 1, metrics=names), run("b", table, 2, metrics=names)
    for index, key in enumerate(table["prompt_id"]):
        for seed in (0, 1):
            b.values["quality"][key, seed] = a.values["quality"][key, seed] - 2.0 - 0.5 * index
    demands = {name: {"margin": 0.5} for name in ("quality", "flicker")} | {
        f"m{i}@1": {"margin": 9.0} for i in range(6)
    }
    one = check(b, a, {"metrics": demands}).metrics[0]  # pyright: ignore[reportArgumentType]
    assert (one.verdict, one.loss_low > 0.5) == ("inconclusive", True)
    assert "but not surely enough for one of several tests (p 0." in one.reasons[0]
    assert check(b, a, {"metrics": {"quality": {"margin": 0.5}}}).verdict == "regression"  # pyright: ignore


def test_a_forced_comparison_stands_in_every_report(tmp_path):
    table = prompts(20)
    a, b = run("a", table, 1), run("b", table, 2, settings={"frames": 16})
    found = check(
        b,  # pyright: ignore[reportArgumentType]
        a,  # pyright: ignore[reportArgumentType]
        {"metrics": {"quality": {"margin": 0.5}}},
        allow_incomparable="the rate was doubled",
    )
    assert "NOT COMPARABLE in frames: 8 against 16" in markdown(found)
    assert "the rate was doubled" in markdown(found)
    assert "the rate was doubled" in junit_xml(found)
    write_reports(found, out=tmp_path / "deep" / "gate.json")
    record = json.loads((tmp_path / "deep" / "gate.json").read_text())
    assert record["reason"] == "the rate was doubled"
    assert record["differences"] == [{"field": "frames", "reference": 8, "candidate": 16}]
    assert record["checked_at"].endswith("+00:00")


def test_the_job_summary_is_added_to_and_other_files_are_replaced(tmp_path, monkeypatch):
    found, summary, other = result(), tmp_path / "summary.md", tmp_path / "gate.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for path in (summary, other):
        path.write_text("before\n")
        write_reports(found, markdown=path)
    assert summary.read_text().startswith("before\n### stepbench gate: regression")
    assert other.read_text().startswith("### stepbench gate: regression")


def test_a_report_that_cannot_be_saved_is_exit_code_3(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IncompleteError, match="cannot save"):
        write_reports(result(), junit=tmp_path / "file" / "gate.xml")


def test_a_gate_that_cannot_be_held_says_why_in_every_report(tmp_path):
    error = NotComparableError("runs differ in suite: \x00 <a> | @all", hint="run both on one suite")
    write_refusal(error, junit=tmp_path / "new" / "gate.xml", markdown=tmp_path / "gate.md")
    root = parsed((tmp_path / "new" / "gate.xml").read_text("utf-8"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "1")
    (problem,) = root.iter("error")
    assert problem.get("type") == "not_comparable"
    assert "<a> | @all" in (problem.get("message") or "")
    assert "hint: run both on one suite" in (problem.text or "")
    shown = rendered((tmp_path / "gate.md").read_text("utf-8"))
    assert "no verdict" in shown
    assert "&lt;a&gt; | @all" in shown
    with pytest.raises(IncompleteError, match=r"gate\.xml"):
        write_refusal(error, junit=tmp_path / "gate.md" / "gate.xml")
