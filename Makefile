# make demo   a network on an emulated STM32F405: builds it, runs it, checks it
# make test   all tests
# make check  lint, types, formatting, static analysis
# make tools  what must be installed system-wide: cross compilers and QEMU (Debian, Ubuntu)

SHELL  := /bin/bash
# never the environment's: a VENV that somebody exported is not ours to install into
VENV   := .venv
PYTHON := $(VENV)/bin/python
C_FILES = $(shell git ls-files '*.c' '*.h')

# What the demo needs, then what the tests need besides; each with the Debian packages that bring it.
DEMO_TOOLS := gcc arm-none-eabi-gcc qemu-system-arm
DEMO_APT   := gcc libc6-dev python3-venv gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
TEST_TOOLS := $(DEMO_TOOLS) g++ arm-none-eabi-g++ riscv64-unknown-elf-gcc xtensa-lx106-elf-gcc qemu-system-riscv32 \
              qemu-system-xtensa openocd
TEST_APT   := $(DEMO_APT) g++ libstdc++-arm-none-eabi-newlib gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf \
              gcc-xtensa-lx106 qemu-system-misc openocd
CHECKERS   := cppcheck

.PHONY: demo test check tools clean

demo:
	@$(call install,$(DEMO_TOOLS),$(DEMO_APT))
	@$(MAKE) --no-print-directory $(VENV)/.demo
	@$(PYTHON) -m shoal.demo

test: tools
	@$(MAKE) --no-print-directory $(VENV)/.dev
	$(PYTHON) -m pytest -n 2 $(PYTEST)

check:
	@$(call install,$(CHECKERS),$(CHECKERS))
	@$(MAKE) --no-print-directory $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	bash tests/cppcheck.sh

$(VENV)/bin/python:
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --upgrade pip

# An installation counts until pyproject.toml changes.
$(VENV)/.demo $(VENV)/.dev: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(PYTHON) -m pip install --quiet --editable '.[$*]'
	@touch $@

# Installs what is missing: at once as root, else through sudo, which asks; without sudo it says the command.
define install
missing=; for tool in $(1); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
python3 -c "import ensurepip" 2>/dev/null || missing="$$missing python3-venv"; \
[ -z "$$missing" ] || { \
  echo "missing:$$missing"; \
  command -v apt-get >/dev/null || { echo "install them with your system's packages, then run make again"; exit 4; }; \
  if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; \
  if [ -n "$$as" ] && ! command -v sudo >/dev/null; then echo "run as root: apt-get install $(2)"; exit 4; fi; \
  echo "$$as apt-get install $(2)"; \
  $$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq $(2) >/dev/null; }
endef

tools:
	@$(call install,$(TEST_TOOLS),$(TEST_APT))

clean:
	rm -rf $(VENV) .pio build dist
