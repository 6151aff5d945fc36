"""For all tests."""

import os

# What a child writes is read as UTF-8, so that is what it writes, whatever the locale. tests/repository/test_surroundings.py sees
# to those who have another one.
os.environ["PYTHONIOENCODING"] = "utf-8"
