"""Building generated folders: what comes out, that it is the same bytes, and what failures say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny

from shoal import resources
from shoal.build import builder, tools
from shoal.build.builder import build
from shoal.errors import BadInput, DoesNotFit, ToolError

pytestmark = pytest.mark.skipif(
    any(tools.find(tools.COMPILERS[prefix]) is None for prefix in ("", "arm-none-eabi-", "riscv64-unknown-elf-")),
    reason="needs the cross compilers",
)


@pytest.mark.parametrize("board", ["netduinoplus2", "esp32c3", "mps2_an505", "host"])
def test_a_build_says_what_it_came_to(tmp_path: Path, board: str) -> None:
    built = build(tiny.write(tmp_path / "tiny", board))
    assert built.elf.is_file() and built.image.is_file()
    assert len(built.build_id) == 40
    assert built.weights_bytes == tiny.WEIGHTS_BYTES
    assert built.arena_bytes == 1024
    assert built.code_bytes is not None and 20 < built.code_bytes < 400
    assert built.compiler.endswith(tools.version(tools.require(tools.COMPILERS[_prefix(board)])))
    assert built.flags[-1] == "-O3" and "-Os" not in built.flags


def _prefix(board: str) -> str:
    return {"esp32c3": "riscv64-unknown-elf-", "host": ""}.get(board, "arm-none-eabi-")


def test_the_image_is_what_the_chip_boots(tmp_path: Path) -> None:
    arm = build(tiny.write(tmp_path / "arm", "netduinoplus2")).image.read_bytes()
    stack, reset = int.from_bytes(arm[:4], "little"), int.from_bytes(arm[4:8], "little")
    assert 0x20000000 < stack <= 0x20020000
    assert 0x08000000 < reset < 0x08000000 + len(arm)
    riscv = build(tiny.write(tmp_path / "riscv", "esp32c3")).image.read_bytes()
    assert riscv[:8] == bytes.fromhex("1d04dbae") * 2


def test_memory_is_laid_out_as_promised(tmp_path: Path) -> None:
    built = build(tiny.write(tmp_path / "tiny", "netduinoplus2"))
    at = _symbols(built.elf)
    assert at["_stack_bottom"] == 0x20000000
    assert at["_stack_top"] == at["_handler_stack_bottom"] == 0x20000000 + 4096
    assert at["_handler_stack_top"] <= at["_data_start"] < at["_data_end"] <= at["_arena_start"]
    assert at["_arena_start"] % 16 == 0 and at["_arena_end"] - at["_arena_start"] == 1024
    assert 0x08000000 < at["_build_id_note"] < 0x08000000 + built.flash_bytes
    # initial data lies at the image's end
    assert at["_data_load"] - 0x08000000 + at["_data_end"] - at["_data_start"] == built.flash_bytes


def test_constants_are_where_the_esp32c3_reads_them(tmp_path: Path) -> None:
    built = build(tiny.write(tmp_path / "tiny", "esp32c3"))
    at, image = _symbols(built.elf), built.image.read_bytes()
    weights = at["tiny_weights"] - 0x3C000000
    assert image[weights : weights + 3] == bytes([1, 2, 3])
    data = at["_data_load"] - 0x3C000000
    assert image[data : data + 4] == bytes([7, 0, 0, 0])


def _symbols(elf: Path) -> dict[str, int]:
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return {s.name: s["st_value"] for s in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def test_side_by_side_in_an_empty_home_each_folder_gets_its_own_platform(tmp_path: Path, home: Path) -> None:
    """Alone or in parallel, here or there: the same bytes."""
    names = ["netduinoplus2", "esp32c3"]
    for name in names:
        tiny.write(tmp_path / name, name)
        shutil.copytree(tmp_path / name, tmp_path / "else where" / name)
    assert not (home / ".platformio").exists()
    with ThreadPoolExecutor() as pool:
        together = list(pool.map(build, [tmp_path / name for name in names]))
    alone = [build(tmp_path / "else where" / name) for name in names]
    assert [b.elf.read_bytes()[18] for b in together] == [40, 243]  # the ELF's machine: ARM, RISC-V
    assert [b.elf.read_bytes() for b in together] == [b.elf.read_bytes() for b in alone]
    assert [b.firmware_sha256 for b in together] == [b.firmware_sha256 for b in alone]


def test_the_folder_builds_without_shoal(tmp_path: Path) -> None:
    """`pio run`, where no shoal can be imported."""
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true"
    }
    command = [sys.executable, "-m", "platformio", "run", "-d", str(folder)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert build(folder).elf.is_file()


def test_what_is_up_to_date_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    first = build(folder)
    monkeypatch.setattr(builder, "run", lambda *_, **__: pytest.fail("was built again"))
    assert build(folder) == first


def test_a_changed_source_is_built_again(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    first = build(folder)
    source = folder / "model" / "tiny_weights.c"
    source.write_text(source.read_text().replace("1, 2, 3", "4, 5, 6"))
    assert build(folder).build_id != first.build_id


def test_a_lost_image_is_built_again(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    first = build(folder)
    first.image.write_bytes(b"")
    assert build(folder).image.read_bytes()


def test_a_setting_of_the_user_does_not_move_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_BUILD_DIR", str(tmp_path / "elsewhere"))
    assert build(tiny.write(tmp_path / "tiny", "netduinoplus2")).elf.is_file()


def test_too_much_ram_names_the_region_and_the_shortfall(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "tiny", "nucleo_f103rb", arena=30_000)
    with pytest.raises(DoesNotFit, match=r"region sram is [\d,]+ bytes short") as caught:
        build(folder)
    assert "--ram-budget" in caught.value.advice


@pytest.mark.parametrize("board", ["netduinoplus2", "host"])
def test_a_model_writes_to_nothing_but_its_arena(tmp_path: Path, board: str) -> None:
    counts = "int tiny_count(void);\nint tiny_count(void) {\n    static int calls = 1;\n    return calls++;\n}\n"
    folder = tiny.write(tmp_path / "tiny", board, changes={"model/tiny_count.c": counts})
    with pytest.raises(ToolError, match=r"4 B of section \.data\S* can be written to beside the arena"):
        build(folder)


def test_the_first_error_of_the_compiler_is_told(tmp_path: Path) -> None:
    folder = tiny.write(
        tmp_path / "tiny", "netduinoplus2", changes={"firmware/main.c": "int main(void) { return nothing; }"}
    )
    with pytest.raises(ToolError, match=r"firmware/main\.c:1:\d+: error: 'nothing' undeclared"):
        build(folder)


def test_a_missing_function_is_told(tmp_path: Path) -> None:
    changes = {"firmware/main.c": "int nothing(void);\nint main(void) { return nothing(); }"}
    with pytest.raises(ToolError, match="undefined reference to `nothing'"):
        build(tiny.write(tmp_path / "tiny", "netduinoplus2", changes=changes))


def test_a_missing_compiler_is_one_line_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"arm-none-eabi-gcc is missing.*apt-get install gcc-arm-none-eabi"):
        build(folder)


def test_a_missing_compiler_is_one_line_in_pio_run_too(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    ran = subprocess.run(
        [sys.executable, "-m", "platformio", "run", "-d", str(folder)],
        env=os.environ | {"PATH": str(tmp_path), "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode != 0
    assert "arm-none-eabi-gcc is missing: sudo apt-get install gcc-arm-none-eabi" in ran.stdout + ran.stderr


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="shoal generate"):
        build(tmp_path)


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="choose one of netduinoplus2, host"):
        build(tiny.write(tmp_path / "tiny", "netduinoplus2"), "esp32c3")


def test_an_online_board_without_the_registry_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "registry_answers", lambda: False)
    monkeypatch.setattr(builder, "run", lambda *_, **__: pytest.fail("must not be tried"))
    with pytest.raises(ToolError, match=r"registry does not answer, and espressif32.* is not installed"):
        build(tiny.write(tmp_path / "tiny", "esp32dev"))


def test_a_users_board_file_is_all_it_takes(tmp_path: Path) -> None:
    manifest = json.loads((resources.boards() / "nucleo_f446re.json").read_text())
    manifest["shoal"]["regions"][1]["bytes"] = 65536
    mine = tmp_path / "my_board.json"
    mine.write_text(json.dumps(manifest))
    folder = tiny.write(tmp_path / "tiny", str(mine))
    assert build(folder).elf.parent.name == "my_board"
    with pytest.raises(DoesNotFit):
        build(tiny.write(folder, str(mine), arena=64_000))


def test_the_script_for_online_boards_tells_the_firmware_of_its_board(tmp_path: Path) -> None:
    """Run by the in-tree platform here: it asks nothing of the platform that it prepares."""
    folder = tiny.write(tmp_path / "tiny", "host")
    ini = folder / "platformio.ini"
    ini.write_text(ini.read_text() + "custom_shoal_board = esp32dev\nextra_scripts = pre:platform/online.py\n")
    shutil.copy(resources.boards() / "esp32dev.json", folder / "boards")
    command, environment = tools.platformio()
    ran = subprocess.run(
        [*command, "run", "-v", "-d", str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    model = next(line for line in ran.stdout.splitlines() if line.endswith("model/tiny.c"))
    assert "-DSHOAL_UART1_NUMBER=2" in model and "-DSHOAL_TICK=hal_tick" in model and "-O3" in model


def test_pio_makes_compile_commands(tmp_path: Path) -> None:
    """For cppcheck and editors."""
    folder = tiny.write(tmp_path / "tiny", "netduinoplus2")
    command, environment = tools.platformio()
    subprocess.run(
        [*command, "run", "-d", str(folder), "-t", "compiledb"], env=environment, check=True, capture_output=True
    )
    commands = (folder / "compile_commands.json").read_text()
    assert "model/tiny.c" in commands and "SHOAL_CLOCK_HZ=168000000" in commands
