"""Runs the SCons that Python has: what PlatformIO's own tool-scons package would do."""

from SCons.Script import main

main()
