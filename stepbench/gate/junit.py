"""A gate as JUnit XML, which every CI system shows as a test report: one test case per metric."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from stepbench.errors import StepbenchError
from stepbench.gate.result import Against, GateResult, MetricResult, WhenInconclusive
from stepbench.gate.wording import allowed, digits, headline, interval, one_line, short, signed


def junit_xml(result: GateResult, inconclusive: WhenInconclusive = "fail") -> str:
    """The report: one suite for the baseline, another for the anchor.

    A regression is a failure, a metric without its scores an error. An inconclusive metric is a failure with `fail`,
    skipped with `warn`, and a passed case with its reasons as output with `pass`.
    """
    root = Xml.Element("testsuites", name="stepbench gate")
    root.append(_suite(result, "baseline", inconclusive))
    if result.anchor is not None:
        root.append(_suite(result, "anchor", inconclusive))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", "0")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def junit_refusal(error: StepbenchError) -> str:
    """The report of a gate that could not be held: one case, an error that says why."""
    counts = {"tests": "1", "failures": "0", "errors": "1"}
    root = Xml.Element("testsuites", counts, name="stepbench gate", time="0")
    suite = Xml.SubElement(root, "testsuite", counts, name="stepbench gate", time="0", skipped="0")
    case = Xml.SubElement(suite, "testcase", classname="stepbench.gate", name="gate", time="0")
    type_ = error.exit_code.name.lower()
    Xml.SubElement(case, "error", message=one_line(error.message), type=type_).text = _printable(str(error))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    return "\n".join(one_line(line) for line in text.splitlines())


def _suite(result: GateResult, against: Against, inconclusive: WhenInconclusive) -> Xml.Element:
    reference = result.anchor if against == "anchor" and result.anchor else result.baseline
    suite = Xml.Element(
        "testsuite", name=one_line(f"{result.candidate.run} against {against} {reference.run}"), time="0"
    )
    # A common reader of such files takes the properties first, the cases after them.
    properties = Xml.SubElement(suite, "properties")
    for name, value in (
        ("verdict", headline(result)),
        ("candidate", f"{result.candidate.generator} ({result.candidate.run})"),
        (against, f"{reference.generator} ({reference.run})"),
        ("suite", f"{result.suite['name']} {result.suite['version']} {result.suite['hash']}"),
        ("incomparable", result.reason or ""),
    ):
        Xml.SubElement(properties, "property", name=name, value=one_line(value))
    for one in result.metrics:
        if one.against == against:
            suite.append(_case(one, inconclusive))
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(one: MetricResult, inconclusive: WhenInconclusive) -> Xml.Element:
    case = Xml.Element("testcase", classname=f"stepbench.gate.{one.against}", name=one_line(one.metric), time="0")
    tag = {
        "pass": None,
        "regression": "failure",
        "incomplete": "error",
        "inconclusive": {"fail": "failure", "warn": "skipped", "pass": None}[inconclusive],
    }[one.verdict]
    if tag == "skipped":
        Xml.SubElement(case, tag, message=_message(one))
    elif tag is not None:
        Xml.SubElement(case, tag, message=_message(one), type=one.verdict).text = _detail(one)
    if tag in (None, "skipped"):
        Xml.SubElement(case, "system-out").text = f"{_message(one)}\n{_detail(one)}"
    return case


def _message(one: MetricResult) -> str:
    return one_line(f"{one.verdict}: {one.reasons[0]}")


def _detail(one: MetricResult) -> str:
    lines = [one_line(reason) for reason in one.reasons]
    lines.append(
        f"difference {signed(one.difference)} {interval(one)}, allowed {allowed(one)}, {one.n} prompts, "
        f"metric id {one_line(one.metric_id) or '-'}"
    )
    for prompt in one.fell:
        change = f"{digits(prompt.reference)} -> {digits(prompt.candidate)}"
        lines.append(f"{one_line(prompt.prompt_id)}: {change}: {short(prompt.text)}")
    return "\n".join(lines)
