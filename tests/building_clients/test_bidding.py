"""Bids lie between the tariffs, point to the right side, and always leave something to gain for both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.bidding import bid_for, limit_price, offer_price
from contracts.orders import Side

FEED_IN, RETAIL = 80_000, 300_000
probabilities = st.floats(0, 1)


@given(st.floats(-1000, 1000), probabilities)
def test_side_follows_the_sign_and_energy_the_size(grid_kw: float, probability: float) -> None:
    bid = bid_for(grid_kw, probability, 0.25, FEED_IN, RETAIL)
    if bid is None:
        assert abs(grid_kw) * 250 < 1
        return
    assert bid.side is (Side.BUY if grid_kw > 0 else Side.SELL)
    assert bid.energy_wh == pytest.approx(abs(grid_kw) * 250, abs=0.5)


@given(probabilities, probabilities, st.integers(0, RETAIL - FEED_IN))
def test_every_seller_meets_every_buyer_between_the_tariffs(seller: float, buyer: float, fee: int) -> None:
    ask = limit_price(Side.SELL, seller, FEED_IN, RETAIL, fee)
    bid = limit_price(Side.BUY, buyer, FEED_IN, RETAIL, fee)
    assert FEED_IN <= ask <= offer_price(FEED_IN, RETAIL, fee) <= bid - fee
    assert bid <= RETAIL


@pytest.mark.parametrize("fee", [0, 20_000])
def test_a_sure_side_goes_all_the_way(fee: int) -> None:
    assert limit_price(Side.BUY, 1.0, FEED_IN, RETAIL, fee) == RETAIL
    assert limit_price(Side.SELL, 0.0, FEED_IN, RETAIL, fee) == FEED_IN


def test_a_probability_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.2 must lie between 0 and 1"):
        limit_price(Side.BUY, 1.2, FEED_IN, RETAIL)
