"""An audit of the ledger: all events replayed, and compared with the contract's state and the hub's trades.

The market goes on meanwhile, and most nodes keep no old states. So what disagrees is asked again after the events that
came in between, until a pass in which none came: what disagrees then is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from contracts.audit_hub import MOST, compare_hub, trades_in
from contracts.audit_questions import UNITS, Question, questions
from contracts.audit_report import ENERGY, MONEY, AuditReport, Check, Difference, Value
from contracts.books import Books
from contracts.deployment import UTILITY, Deployment
from contracts.events import EnergyTransfer, MarketEvent
from contracts.hub_client import HubClient
from contracts.ledger import BLOCKS_PER_QUESTION, NOBODY, Ledger
from contracts.replay import replay
from contracts.sender import LedgerError
from contracts.views import Call

Progress = Callable[[str, int, int], None]
"""What is done, how much of it, of how much."""
CALLS_PER_QUESTION = 500
"""Views asked for in one request; nodes take a thousand at most."""
PASSES = 50
STATE_ADVICE = (
    "withdraw what is yours, stop the operator, and keep the chain's folder as it is. Repeat this with another node's "
    "--rpc-url: if that one agrees with the events, the first node lies; if not, this is not the published contract"
)
EVENTS_ADVICE = "the node leaves events out or invents them: repeat this with another node's --rpc-url"
COUNTS = ("audit array", "models")
"""Checks with one comparison of how many there are."""


def audit(ledger: Ledger, hub: HubClient | None, progress: Progress) -> AuditReport:
    """Verify everything. Raises LedgerError or HubError when something does not answer."""
    shown = [] if hub is None else trades_in(hub)
    auditor = _Auditor(ledger, progress)
    auditor.run()
    books = auditor.books
    checks = [*auditor.checks(), _tokens(books, auditor.tokens), _closings(books)]
    if hub is not None:
        checks.append(compare_hub(books.trades, shown, hub))
    return _report(ledger.deployment, auditor, checks, hub, shown)


class _Auditor:
    """Reads on until events and answers belong together."""

    def __init__(self, ledger: Ledger, progress: Progress) -> None:
        self.books = Books()
        self.last_block = ledger.deployment.deployed_block - 1
        self.answers: dict[tuple[Call, ...], tuple[Value, ...]] = {}
        self.questions: list[Question] = []
        self.tokens = 0
        self._ledger = ledger
        self._progress = progress

    def run(self) -> None:
        """Replay and ask. Raises LedgerError."""
        self._read_events()
        for _ in range(PASSES):
            known = self.books.events
            self._ask(self._open_questions())
            self.tokens = self._ledger.tokens()
            self._read_events()
            if self.books.events == known:
                return
        raise LedgerError(f"the market changed in each of {PASSES} passes; repeat this when it is quieter")

    def checks(self) -> list[Check]:
        """One of each kind, in the order of UNITS."""
        of: dict[str, list[Question]] = {name: [] for name in UNITS}
        for question in self.questions:
            of[question.check].append(question)
        return [self._check(name, asked) for name, asked in of.items()]

    def answer(self, view: str) -> int:
        """A number without arguments that was asked for."""
        return int(self.answers[((view, ()),)][0])

    def _read_events(self) -> None:
        newest = self._ledger.block_number()
        while self.last_block < newest:
            first, last = self.last_block + 1, min(self.last_block + BLOCKS_PER_QUESTION, newest)
            events = self._ledger.events(first, last)
            if not self.books.events:
                _check_opening(events, self._ledger.deployment.deployed_block)
            replay(self.books, events)
            self.last_block = last
            self._progress("blocks read", last, newest)

    def _open_questions(self) -> list[Question]:
        """What was not answered yet, or not as the newest events let expect."""
        counts: list[Call] = [("transactionCount", ()), ("modelCount", ()), ("auditBatches", ())]
        (entries,), (anchored,), (audited,) = self._ledger.views(counts)
        self.questions = list(questions(self.books, entries, anchored, audited))
        return [
            question
            for question in self.questions
            if question.calls not in self.answers or not question.fits(self.answers[question.calls])
        ]

    def _ask(self, wanted: Sequence[Question]) -> None:
        for first in range(0, len(wanted), CALLS_PER_QUESTION):
            part = wanted[first : first + CALLS_PER_QUESTION]
            found = iter(self._ledger.views([call for question in part for call in question.calls]))
            for question in part:
                answers = [next(found) for _ in question.calls]
                self.answers[question.calls] = answers[0] if len(answers) == 1 else (sum(one[0] for one in answers),)
            self._progress("answers compared", first + len(part), len(wanted))

    def _check(self, name: str, asked: Sequence[Question]) -> Check:
        differences = [found for one in asked for found in one.differences(self.answers[one.calls])]
        unit = UNITS[name]
        if unit in (MONEY, ENERGY):
            expected = sum(int(question.expected[0] or 0) for question in asked)
            found = sum(int(self.answers[question.calls][0]) for question in asked)
        else:
            expected = len(asked) - (name in COUNTS)
            found = sum(one.fits(self.answers[one.calls]) for one in asked if one.calls[0][1] or name not in COUNTS)
        return Check(
            name=name,
            unit=unit,
            compared=len(asked),
            relation=asked[0].relation if asked else "equal",
            expected=expected,
            found=found,
            differences=tuple(differences),
            advice=STATE_ADVICE,
        )


def _check_opening(events: Sequence[MarketEvent], first_block: int) -> None:
    """The constructor says who the utility is, before anything else can happen."""
    opening = events[0] if events else None
    if opening is None or opening.name != "OwnerChanged" or opening.values["previous"] != NOBODY:
        found = "nothing" if opening is None else opening.name
        raise LedgerError(
            f"the events from block {first_block} on begin with {found} instead of the market's opening: the node has "
            "lost old events, or the market was opened in another block; use another --rpc-url or --from-block"
        )


def _tokens(books: Books, found: int) -> Check:
    """Anyone can send tokens to the contract, so there may be more than the members' money, never less."""
    name, expected = "tokens in the contract", books.total_escrow
    short = Difference(what=name, member=None, slot=None, tx_hash=None, expected=expected, found=found)
    return Check(
        name=name,
        unit=MONEY,
        compared=1,
        relation="at least",
        expected=expected,
        found=found,
        differences=(short,) if found < expected else (),
        advice=STATE_ADVICE,
    )


def _closings(books: Books) -> Check:
    return Check(
        name="positions at closing",
        unit="closings",
        compared=books.closings,
        expected=books.closings,
        found=books.closings - len(books.contradictions),
        differences=tuple(books.contradictions),
        advice=EVENTS_ADVICE,
    )


def _report(
    deployment: Deployment,
    auditor: _Auditor,
    checks: Sequence[Check],
    hub: HubClient | None,
    shown: Sequence[EnergyTransfer],
) -> AuditReport:
    books = auditor.books
    return AuditReport(
        contract=deployment.contract,
        chain_id=deployment.chain_id,
        first_block=deployment.deployed_block,
        last_block=auditor.last_block,
        events=books.events,
        members=len(books.numbers()),
        trades=len(books.trades),
        energy_wh=sum(trade.energy_wh for trade in books.trades),
        total_escrow=books.total_escrow,
        surplus=max(0, auditor.tokens - books.total_escrow),
        currency=deployment.currency,
        hub=None if hub is None else hub.base_url,
        checks=tuple(checks),
        notes=tuple(_notes(auditor, shown)),
    )


def _notes(auditor: _Auditor, shown: Sequence[EnergyTransfer]) -> Iterable[str]:
    books = auditor.books
    collected = sum(books.uncollected) - auditor.answer("uncollected")
    if collected > 0:
        yield f"the utility collected {collected} base units by closings without an event; its money is whole"
    if len(shown) >= MOST:
        yield f"the hub shows only its newest {MOST:,} trades: older ones, and missing ones, could not be compared"
    if not books.trades:
        yield "nothing was traded yet; ./microgrid up lets the buildings trade"
    if books.members[UTILITY].escrow < sum(one.claim for one in books.members.values()):
        yield "the utility cannot pay all claims of members now"
