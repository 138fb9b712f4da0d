"""The evaluation of forecasters: federated ones against strong baselines on measured homes, splits by time only."""
