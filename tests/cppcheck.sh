#!/usr/bin/env bash
# Static analysis of the firmware, each HAL with the macros of a board that uses it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# comparePointers: a linker script's symbols are the two ends of one object
cppcheck --quiet --error-exitcode=1 --std=c99 --enable=warning,performance,portability --inline-suppr \
  --suppress=missingIncludeSystem --suppress=comparePointers -I firmware firmware
