"""Apps to hold this one against: each file takes the place of `function_app.py`."""
