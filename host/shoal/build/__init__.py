"""From a generated folder to firmware on a board: build, measure, cache, flash."""
