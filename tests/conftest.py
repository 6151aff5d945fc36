"""For all tests."""

import os

from hypothesis import settings

# What a child writes is read as UTF-8, so that is what it writes, whatever the locale. tests/repository/test_surroundings.py sees
# to those who have another one.
os.environ["PYTHONIOENCODING"] = "utf-8"

# How long an example takes is up to the machine, and no reason to fail.
settings.register_profile("whatever the machine", deadline=None)
settings.load_profile("whatever the machine")
