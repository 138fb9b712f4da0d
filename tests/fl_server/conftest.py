"""Flower in a test process."""

import tests.flower_task  # noqa: F401
