"""Flower's messages need to know in which task they are made; tests stand in for the process that sets it."""

import warnings

with warnings.catch_warnings():
    # Flower's typer (< 0.21) uses a name that the newest click deprecates; not ours to mend.
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401
    from flwr.supercore.task_identity import TaskIdentity

TaskIdentity.run_id = 1
TaskIdentity.task_id = 1
TaskIdentity.node_id = 1
