"""Policy files: what is read, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from policies import WHOLE

from stepbench.errors import UsageError
from stepbench.review.policy import AXES, FLAGS, default_policy_file, read_policy

EXAMPLE = Path(__file__).parents[2] / "examples" / "quality.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[intent", "no quality policy can be read"),
        ("[tone]\nx=1", "a policy has name and the axes intent, quality, rights, got 'tone'"),
        ("intent = 3", r"\[intent\] must be a table, got 3"),
        ("", r"\[intent\] has no rule"),
        ("[intent.flickr]\naccept = 1", r"\[intent.flickr\]: there is no such metric\n.*did you mean .*flicker"),
        ("[intent.zzzzqq]\naccept = 1", "there is no such metric\n.*list metrics"),
        ("[intent.flicker]\nacept = 1", r"\[intent\] flicker.acept: Extra inputs"),
        ("[intent.flicker]\n", "a rule needs either accept or accept_between"),
        ("[intent.flicker]\naccept = nan", "finite"),
        ("[intent.flicker]\naccept = 1\nreject_outside = [1, 2]", "reject goes with accept"),
        ("[intent.flicker]\naccept_between = [1, 2]\nreject = 1", "reject goes with accept"),
        ("[intent.flicker]\naccept_between = [2, 1]", "bounds run from low to high"),
        ("[intent.flicker]\naccept_between = [1, 9]\nreject_outside = [2, 10]", "reject_outside must hold"),
        ("[intent]\nwaived = ' '", r"\[intent\] has no rule"),
        ("[intent]\nwaived = 'why'\n[intent.flicker]\naccept = 1", "is waived, and yet it has rules"),
        ("[intent]\nnames = 'x'\n[intent.flicker]\naccept = 1", "skip and names belong to"),
        (WHOLE.replace("face_present", "faces"), r"\[rights\] skip needs named_characters"),
        (WHOLE.replace('"no people here"', '""'), r"\[rights\] skip needs"),
        (WHOLE.replace("[rights]", "[rights]\nnames = 'nowhere.txt'"), r"\[rights\] names: .* cannot be read"),
    ],
)
def test_policies_that_break_a_rule_are_refused(policy_of, text, message):
    with pytest.raises(UsageError, match=message):
        policy_of(text)


def test_an_empty_list_of_names_is_refused(policy_of, tmp_path):
    (tmp_path / "names.txt").write_text("# nobody\n")
    with pytest.raises(UsageError, match="holds no name"):
        policy_of(WHOLE.replace("[rights]", "[rights]\nnames = 'names.txt'"))


def test_a_missing_policy_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no quality policy can be read"):
        read_policy(tmp_path / "nowhere.toml")


def test_the_policy_of_the_package_and_the_example_can_be_read():
    default = read_policy()
    assert default.hash == read_policy(default_policy_file()).hash
    assert set(default.rules) == set(AXES)
    assert set(default.rules["rights"]) == set(FLAGS)
    assert not default.waived
    assert not default.skipped
    example = read_policy(EXAMPLE)
    assert set(example.skipped) == {"face_present", "near_duplicate"}
    assert "某某公司" in example.names


def test_the_hash_of_a_policy_changes_with_what_it_decides(policy_of, tmp_path):
    hashes = {policy_of(text).hash for text in (WHOLE, WHOLE + "# a comment\n", 'name = "x"\n' + WHOLE)}
    assert len(hashes) == 1
    (tmp_path / "names.txt").write_text("Acme\n")
    named = WHOLE.replace("[rights]", "[rights]\nnames = 'names.txt'")
    hashes |= {policy_of(WHOLE.replace("0.8", "0.81")).hash, policy_of(named).hash}
    (tmp_path / "names.txt").write_text("Bcme\n")
    assert len(hashes | {policy_of(named).hash}) == 4
