"""The root of the project's errors: whatever derives from it is shown to people as one clear line.

MicrogridError
|- ReplayError, StoreError, MeterError ...   data of a building
|- HubError, HubRejected                      the hub
|- LedgerError, ContractRejected, ChainError  the chain and the market
|- TrainError, ModelError, RunError ...        learning
`- ScenarioError, HomeError, UpError          the command line
"""

from __future__ import annotations


class MicrogridError(RuntimeError):
    """Something that a person can mend; the text says what was wrong and what to do."""
