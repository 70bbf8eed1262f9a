"""The frame around every command: help, errors, exit codes, JSON and nothing else on stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

from shoal import cli
from shoal.cli.command import Result, command
from shoal.errors import DoesNotFit, NodeError


@pytest.fixture
def probe(monkeypatch):
    """Installs a command `probe` that does what the test gives it."""

    def install(action):
        @command(examples=[("try it", "shoal probe")])
        def probe() -> Result:
            """Do what a test wants."""
            return action()

        module = types.ModuleType("shoal.cli.probe")
        module.probe = probe
        monkeypatch.setitem(sys.modules, "shoal.cli.probe", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", "Do what a test wants.")

    return install


def test_help_needs_no_command_module(shoal):
    ran = shoal("--help")
    assert ran.code == 0
    assert all(name in ran.out for name in cli.COMMANDS)
    assert shoal().out == ran.out


def test_version(shoal):
    assert shoal("--version").out.startswith("shoal ")


def test_examples_end_a_commands_help(shoal, probe):
    probe(lambda: Result({}, lambda: None))
    assert shoal("probe", "--help").out.rstrip().endswith("# try it\n    shoal probe")


def test_result_is_text_or_json(shoal, probe):
    probe(lambda: Result({"answer": 42}, lambda: click.echo("forty-two")))
    assert shoal("probe").out == "forty-two\n"
    assert shoal("probe", "--json").document == {"answer": 42}


def test_what_others_print_goes_to_stderr_under_json(shoal, probe):
    def noisy():
        print("from Python")
        subprocess.run(["echo", "from a child"], check=True)
        return Result({"answer": 42}, lambda: None)

    probe(noisy)
    ran = shoal("probe", "--json")
    assert ran.document == {"answer": 42}
    assert "from Python" in ran.err and "from a child" in ran.err


def test_a_finding_keeps_the_whole_result(shoal, probe):
    probe(lambda: Result({"answer": 41}, lambda: click.echo("forty-one"), DoesNotFit("one short", advice="add one")))
    ran = shoal("probe", "--json")
    assert ran.code == 1
    assert ran.document == {"answer": 41, "error": {"what": "one short", "where": "", "advice": "add one"}}
    text = shoal("probe")
    assert text.code == 1 and text.out == "forty-one\n" and "one short" in text.err and "add one" in text.err


def test_errors_have_their_exit_code(shoal, probe):
    def silent():
        raise NodeError("no answer in 5 s", where="serial:/dev/ttyACM0", advice="check the cable")

    probe(silent)
    ran = shoal("probe", "--json")
    assert ran.code == 3
    assert ran.document == {
        "error": {"what": "no answer in 5 s", "where": "serial:/dev/ttyACM0", "advice": "check the cable"}
    }
    assert shoal("probe").out == ""


@pytest.mark.parametrize("arguments", [["bnch"], ["probe", "--nonsense"], ["probe", "surplus"], ["--nonsense"]])
def test_usage_errors_are_exit_2_and_json_too(shoal, probe, arguments):
    probe(lambda: Result({}, lambda: None))
    ran = shoal(*arguments, "--json")
    assert ran.code == 2
    assert set(ran.document["error"]) == {"what", "where", "advice"}
    text = shoal(*arguments)
    assert text.code == 2 and text.out == "" and text.err.startswith("error: ")


def test_a_close_command_is_suggested(shoal):
    assert "`bench`" in shoal("bnch").err


def test_a_fault_of_ours_is_70_without_traceback(shoal, probe):
    probe(lambda: [][1])
    ran = shoal("probe")
    assert ran.code == 70 and "Traceback" not in ran.err and "--debug" in ran.err
    assert "Traceback" in shoal("probe", "--debug").err


def test_a_file_that_cannot_be_opened_is_the_users_affair(shoal, probe, tmp_path):
    probe(lambda: (tmp_path / "missing").read_text())
    ran = shoal("probe", "--json")
    assert ran.code == 2 and str(tmp_path) in ran.document["error"]["where"]


def test_interrupt_is_130(shoal, probe):
    # a shell that starts the tests in the background lets them inherit an ignored SIGINT
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    probe(lambda: signal.raise_signal(signal.SIGINT))
    assert shoal("probe").code == 130
    ran = shoal("probe", "--json")
    signal.signal(signal.SIGINT, before)
    assert ran.code == 130 and ran.document["error"]["what"] == "interrupted"


def test_a_reader_that_leaves_early_does_no_harm():
    pipe = subprocess.Popen(
        [sys.executable, "-m", "shoal", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    assert pipe.stdout and pipe.stderr
    pipe.stdout.close()
    assert pipe.stderr.read() == b""
    pipe.stderr.close()
    assert pipe.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "--fail-above", "nan"],
        ["compare", "--fail-above", "-1"],
        ["compare", "--html", "no/such/folder/page.html"],
        ["test", "--junit", "no/such/folder/j.xml"],
        ["test", "--count", "0"],
        ["bench", "--node", "serial:"],
        ["run", "--ram-budget", "many"],
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(shoal, small, arguments):
    command, *options = arguments
    ran = shoal(command, small, *options, "--json")
    assert ran.code == 2 and options[0] in ran.document["error"]["what"]


def test_a_signal_to_end_is_json_too(shoal, probe):
    def ended():
        cli._leave(signal.SIGTERM, None)

    probe(ended)
    ran = shoal("probe", "--json")
    assert ran.code == 128 + signal.SIGTERM and ran.document["error"]["what"] == "ended by SIGTERM"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["boards"], ["boards", "--json"], ["--help"]])
def test_a_full_disk_is_no_fault_of_ours(arguments):
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "shoal", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=os.environ
        )
    assert ran.returncode == 2 and "space" in ran.stderr and "Traceback" not in ran.stderr


def test_closed_streams_do_no_harm():
    command = f"{sys.executable} -m shoal boards --json >&-; {sys.executable} -m shoal nonsense >&- 2>&-"
    ran = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, env=os.environ)
    assert ran.returncode == 2 and ran.stderr == ""
