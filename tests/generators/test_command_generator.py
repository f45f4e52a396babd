"""`command:"PROGRAM {prompt} {output}"`."""

from __future__ import annotations

import os
import sys
import time

import pytest

from stepbench.errors import Refused, UsageError
from stepbench.generators.command import CommandFailedError
from stepbench.generators.registry import make_generator
from stepbench.records import Prompt, Request
from stepbench.video import read_clip

PROMPT = Prompt(id="p1", text='it\'s a "red" $HOME; {circle} `x` 圆\n', language="en", category="a")
MAKE = f"""\
import os, sys
sys.path[:0] = {sys.path!r}
import numpy as np
from stepbench.video import write_preview
prompt, seed, output, *rest = sys.argv[1:]
assert prompt == os.environ["STEPBENCH_PROMPT"] and seed == os.environ["STEPBENCH_SEED"]
assert output == os.environ["STEPBENCH_OUTPUT"]
print("noise on stdout")
print(repr(prompt), rest, file=sys.stderr)
open("seen", "w").write(prompt)
write_preview(output, np.full((3, 3, 16, 16), int(seed), np.uint8), 8)
"""


@pytest.fixture
def request_for(workplace):
    def make(settings=None, *, seed=7, timeout=None):
        (workplace / "scratch").mkdir(exist_ok=True)
        return Request(
            prompt_id="p1",
            text=PROMPT.text,
            seed=seed,
            settings=settings or {},
            output_dir=workplace / "scratch",
            timeout=timeout,
        )

    return make


@pytest.fixture
def script(workplace):
    (workplace / "make.py").write_text(MAKE, encoding="utf-8")
    return f"command:{sys.executable} make.py"


def shell(text):
    return make_generator(f'command:sh -c "{text}" x {{output}}')


def test_a_program_makes_a_clip_and_no_prompt_can_inject_anything(script, request_for, workplace):
    clip = make_generator(f"{script} {{prompt}} {{seed}} {{output}}").generate(request_for())
    assert clip.path == workplace / "scratch" / "clip.mp4"
    assert len(read_clip(clip.path).frames) == 3
    assert (workplace / "seen").read_text(encoding="utf-8") == PROMPT.text


def test_quotes_round_the_whole_command_are_allowed(script):
    argument = script.removeprefix("command:")
    assert make_generator(f'command:"{argument}"').card.name == f"command:{argument}"


def test_an_edited_script_is_another_revision(script, workplace):
    before = make_generator(script).card
    (workplace / "make.py").write_text(MAKE + "# changed\n", encoding="utf-8")
    after = make_generator(script).card
    assert before.revision != after.revision
    assert before.name == after.name


def test_long_words_are_no_file_names():
    make_generator(f"command:true {'x' * 5000} {{prompt}}")


def test_settings_fill_the_template(request_for, workplace):
    generator = shell("printf '%s' '{steps} {{kept}} {negative_prompt}' > note; printf x > {output}")
    assert generator.resolve(PROMPT, 0, {"steps": 30}) == {"steps": 30}
    generator.generate(request_for({"steps": 30}))
    assert (workplace / "note").read_text(encoding="utf-8") == "30 {kept} "
    with pytest.raises(UsageError, match=r"the command uses \{steps\}, but there is no such setting") as caught:
        generator.resolve(PROMPT, 0, {})
    assert "--set steps=VALUE" in caught.value.hint


def test_status_77_is_a_refusal_with_the_last_line_as_its_reason(request_for):
    with pytest.raises(Refused, match=r"^not this one$"):
        shell("echo first; echo not this one; exit 77").generate(request_for())
    with pytest.raises(Refused, match="the program exited with status 77"):
        shell("exit 77").generate(request_for())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo out of memory >&2; exit 4", "exit status 4: out of memory"),
        ("kill -9 $$", "exit status -9: "),
        ("echo done", r"exit status 0, but no clip at \{output\}; last line: 'done'"),
        (": > $1", r"exit status 0, but no clip at \{output\}"),
    ],
)
def test_a_program_that_fails_or_writes_nothing_is_named(request_for, text, message):
    with pytest.raises(CommandFailedError, match=message):
        shell(text).generate(request_for())


def test_another_container_may_stand_beside_the_output(request_for, workplace):
    clip = shell("printf x > ${{1%.mp4}}.webm").generate(request_for())
    assert clip.path == workplace / "scratch" / "clip.webm"


def test_the_output_is_an_absolute_path_in_a_run(make_suite, workplace):
    import stepbench

    (workplace / "elsewhere").mkdir()
    script = workplace / "make.py"
    script.write_text(MAKE, encoding="utf-8")
    run = stepbench.run(
        f"command:sh -c 'cd elsewhere && exec {sys.executable} {script} \"$@\"' x {{prompt}} {{seed}} {{output}}",
        make_suite("one"),
        metrics=[],
    )
    assert run.info["status"] == "complete", run.samples()["error"].tolist()


def test_a_time_limit_ends_the_program_and_what_it_started(request_for, workplace):
    generator = shell("sleep 60 & echo $! > child; wait")
    with pytest.raises(CommandFailedError, match=r"timed out after 0.5 s"):
        generator.generate(request_for(timeout=0.5))
    assert_ends(int((workplace / "child").read_text(encoding="utf-8")))


def test_a_time_limit_ends_what_a_program_left_behind(request_for, workplace):
    generator = shell("sleep 60 & echo $! > child; exit 0")
    with pytest.raises(CommandFailedError, match=r"timed out after 0.5 s"):
        generator.generate(request_for(timeout=0.5))
    assert_ends(int((workplace / "child").read_text(encoding="utf-8")))


def assert_ends(process):
    for _ in range(500):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{process}/stat", encoding="utf-8") as handle:
            if handle.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
    pytest.fail("the program lives on")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "command: needs a program"),
        ("no-such-program {prompt}", "no program 'no-such-program' on the PATH"),
        ("true {prompt", "unbalanced braces in '{prompt'"),
        ("true {seed:03d}", r"\{seed\} in '\{seed:03d\}' stands with a format or conversion"),
        ("true {prompt!r}", r"\{prompt\} in '\{prompt!r\}' stands with a format or conversion"),
        ("true 'unclosed", "generator .* cannot be loaded: ValueError: No closing quotation"),
    ],
)
def test_broken_templates_are_refused(template, message):
    with pytest.raises(UsageError, match=message):
        make_generator(f"command:{template}")
