"""A market on a token of choice, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from contracts.deployment import deploy
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.sender import LedgerError
from contracts.settings import ChainConfig, MarketConfig
from contracts.units import to_base_units
from tests.contracts.market_world import FIRST_SLOT, MarketWorld


def test_a_market_pays_in_the_token_of_choice(chain: str) -> None:
    world, owner = MarketWorld(chain, 0), Account.create()
    chosen = ChainConfig(rpc_url=chain, token_address=world.deployment.token)
    deployment = deploy(chosen, MarketConfig(), 15, FIRST_SLOT, world.operator)
    assert (deployment.token, deployment.test_token) == (world.deployment.token, False)
    ledger = Ledger(deployment, world.operator)
    assert ledger.balance(0).escrow == 0
    ledger.register(Member(number=1, building_id="B1", name="x", owner=owner.address), 0)
    Ledger(deployment, owner).fund(1, 5_000_000)
    assert ledger.balance(1).escrow == 5_000_000
    assert ledger.totals([1]).money_balance == 0


def test_a_token_that_is_none_is_named(chain: str) -> None:
    nowhere = Account.create().address
    with pytest.raises(LedgerError, match=rf"token_address = {nowhere}: there is no contract"):
        deploy(ChainConfig(rpc_url=chain, token_address=nowhere), MarketConfig(), 15, FIRST_SLOT, Account.create())


def test_the_contract_has_the_markets_rules(chain: str) -> None:
    market = MarketConfig(price_cap_per_kwh=0.5, settlement_window_slots=7, retail_per_kwh=0.4, feed_in_per_kwh=0.1)
    deployment = deploy(ChainConfig(rpc_url=chain), market, 15, FIRST_SLOT, Account.create(), slot_seconds=900)
    ledger = Ledger(deployment)
    read = ledger._call
    assert read.priceCap().call() == to_base_units(0.5)
    assert (read.settlementWindow().call(), read.slotSeconds().call(), read.auditBatches().call()) == (7, 900, True)
    tariff = ledger.tariff(FIRST_SLOT)
    assert (tariff.retail_price, tariff.feed_in_price) == (400_000, 100_000)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grid_fee_per_kwh": 0.22}, r"grid_fee_per_kwh = 0\.22 leaves neighbours nothing to gain"),
        (
            {"mechanism": "pay_as_bid"},
            "gives each pair a price of its own, and the contract settles a slot at one",
        ),
        ({"mechanism": "lottery"}, "'lottery' is unknown; choose one of uniform, mid_market_rate"),
    ],
)
def test_rules_that_cannot_be_settled_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MarketConfig(**settings)


def test_a_retail_tariff_above_the_cap_is_refused() -> None:
    with pytest.raises(ValueError, match=r"retail_per_kwh = 1\.5 is above price_cap_per_kwh = 1\.0; raise the cap"):
        MarketConfig(retail_per_kwh=1.5)
