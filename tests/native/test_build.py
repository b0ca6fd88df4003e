"""Compiling when the package is installed: what is made, and what is said where that cannot be done."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

from consumer import native
from consumer.native.build import compiled


def test_what_is_compiled_can_be_imported(tmp_path: Path) -> None:
    if native.envelopes is None:
        pytest.skip("no C compiler was found when this was installed")
    built = tmp_path / "_envelopes.abi3.so"
    assert compiled(built) == ""
    spec = importlib.util.spec_from_file_location("_envelopes", built)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    assert {"look", "make_plan", "make_programs"} <= set(dir(made))


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("/nowhere/cc", "the C compiler /nowhere/cc cannot be run"),
        ("false -x", "false -x could not compile"),
        ('cc "-O2', 'the C compiler cc "-O2 cannot be run (No closing quotation)'),
        (r"sh -c 'printf \"\\377 error: \\351\" >&2; exit 1'", "error:"),
    ],
)
def test_without_a_compiler_the_reason_is_said_and_nothing_old_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, said: str
) -> None:
    built = tmp_path / "_envelopes.abi3.so"
    built.write_bytes(b"of an earlier version")
    monkeypatch.setenv("CC", compiler)
    assert said in compiled(built)
    assert not built.exists()


def test_where_nothing_can_be_written_the_reason_is_said(tmp_path: Path) -> None:
    built = tmp_path / "_envelopes.abi3.so"
    built.mkdir()
    (built / "kept").touch()
    assert "cannot be written" in compiled(built)


def test_what_was_compiled_for_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if native.envelopes is None:
        pytest.skip("no C compiler was found when this was installed")
    source = Path(native.__file__)
    for other in (1, None):  # None: from before there were versions.
        with monkeypatch.context() as patched:
            if other is None:
                patched.delattr(native.envelopes, "INTERFACE")
            else:
                patched.setattr(native.envelopes, "INTERFACE", other)
            assert runpy.run_path(str(source))["envelopes"] is None
    assert runpy.run_path(str(source))["envelopes"] is native.envelopes
