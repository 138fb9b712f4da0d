"""The market: SmartMicrogrid.sol, signed orders, clearing, ledger, operator, chain node."""
