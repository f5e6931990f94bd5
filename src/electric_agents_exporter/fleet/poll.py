"""One poll in progress: takes in what a source learns, as it learns it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from electric_agents_exporter.contract.claims import ClaimNews
from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.wakes import WakeReading
from electric_agents_exporter.fleet.counters import ClaimTotals
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.inventory import DueRunner
from electric_agents_exporter.fleet.reasons import SERVER_FAILS, Operation, Reason
from electric_agents_exporter.fleet.snapshot import FullScan, PollFault
from electric_agents_exporter.fleet.target import Target
from electric_agents_exporter.fleet.trace import Trace

_TOLERATED_SHARE: Final = 0.1
_TOLERATED: Final = 1


class PollResult(NamedTuple):
    """What a poll came to.

    Attributes:
        succeeded: every list was got, and the runners answered but for a single one or a few.
        got_list: some list was got.
        faults: what went wrong; also what does not fail the poll.
    """

    succeeded: bool
    got_list: bool
    faults: tuple[PollFault, ...]


class Answers:
    """What came of asking: of how many, how many answered, and why the others did not."""

    def __init__(self) -> None:
        self.asked = 0
        self.good = 0
        self.failures: Counter[Reason] = Counter()

    @property
    def failed(self) -> int:
        """How many did not answer."""
        return self.failures.total()

    @property
    def tolerable(self) -> bool:
        """Whether the failures are those of single runners, told by their own series."""
        few = self.failed <= _TOLERATED or self.failed < _TOLERATED_SHARE * (
            self.failed + self.good
        )
        return not self.failed or (self.good > 0 and few)

    def note(self, reason: Reason | None) -> None:
        """Count one who answered, or why one did not."""
        if reason is None:
            self.good += 1
        else:
            self.failures[reason] += 1

    def add(self, others: "Answers") -> None:
        """Count others too."""
        self.asked += others.asked
        self.good += others.good
        self.failures.update(others.failures)

    def spell_failures(self, what: str, words: Mapping[Reason, str]) -> str:
        """Say of how many what went wrong, and why; `words` are those of the first of each."""
        reasons = ", ".join(
            f"{reason} {count}" + (f": {words[reason]}" if reason in words else "")
            for reason, count in self.failures.most_common()
        )
        return f"{self.failed} of {self.asked} {what} ({reasons})"


class Poll:
    """One poll of one target, open from its making to `end`; at most one is open at a time.

    Use: `listed` for every principal, then `due`, then `reported` or `failed` for every runner that
    was due, in any order; where wakes are read, `wake_questions` gives what to ask after reports,
    and `wakes_read` takes what was answered. A source that knows several tenants takes a poll of
    each from `tenants`, and they end with this one.

    Attributes:
        answers: what came of asking after runners.
        trace: takes note of every request, where somebody wants to see them.
        hurried: somebody waits for the poll, so it is no time to be slow, however kind that is.
    """

    def __init__(self, target: Target, trace: Trace | None = None) -> None:
        self.trace = trace
        self.hurried = False
        self._target = target
        self._began = target.clock.monotonic()
        self._began_at = target.clock.time()
        self._got: set[str] = set()
        self._not_got: dict[str, Reason] = {}
        self._unreadable: dict[str, str] = {}
        self.answers = Answers()
        self._wake_answers = Answers()
        self._server_asked = False
        self._server: Reason | None = None
        self._words: dict[Operation, dict[Reason, str]] = {each: {} for each in Operation}
        self._questions: list[WakeQuestion] = []
        self._claims_held: int | None = None
        self._tenants: dict[str, Poll] = {}

    @property
    def max_listed(self) -> int:
        """The most runners that a list may hold."""
        return self._target.policy.max_listed

    def listed(self, principal: str, answer: ListAnswer | Reason) -> None:
        """Take in the list of one principal (as configured), or why there is none."""
        target = self._target
        if principal not in target.policy.principals:
            return  # new settings came while it was asked for
        if isinstance(answer, Reason):
            self._not_got[principal] = answer
            return
        target.tenants.clear()  # those of settings before these
        target.inventory.take(principal, answer.runners, unreadable=answer.unreadable)
        if answer.unreadable:
            items = len(answer.runners) + answer.unreadable
            self._unreadable[principal] = f"{answer.unreadable} of {items}"
        target.listed_at[principal] = target.clock.monotonic()
        target.drift.update(answer.drift)
        self._got.add(principal)

    def tenants(self, names: Collection[str]) -> dict[str, "Poll"]:
        """Take in which tenants there are, each with runners and counters of its own.

        Returns:
            A poll for each.
        """
        target = self._target
        target.inventory.clear()
        for principal in target.policy.principals:
            target.listed_at[principal] = target.clock.monotonic()
            self._got.add(principal)
        for gone in target.tenants.keys() - set(names):
            del target.tenants[gone]
        self._tenants = {name: Poll(target.tenant_target(name)) for name in names}
        return self._tenants

    def due(self) -> list[DueRunner]:
        """Let the lists take effect, and give the runners to ask after."""
        target = self._target
        change = target.inventory.settle()
        target.totals.discovered += change.discovered
        target.totals.removed += change.removed
        target.got_list = bool(self._got)
        target.version += 1
        due = target.inventory.due(self._got)
        self.answers.asked = len(due)
        return due

    def requested(
        self,
        operation: Operation,
        seconds: float,
        reason: Reason | None,
        words: str = "",
    ) -> None:
        """Count a request, how long it took, and why it failed if it did.

        `words` say that more exactly, in a line without a secret.
        """
        if reason is not None and words:
            self._words[operation].setdefault(reason, words)
        self._target.requests.count(operation, seconds, reason)
        if operation is Operation.SERVER:
            self._server_asked, self._server = True, reason

    def asked(self, fields: Mapping[str, str]) -> None:
        """Take note of a request for who wants to see it; no field may hold a secret."""
        if self.trace is not None:
            self.trace.note(self._target.clock.time(), fields)

    def observed_date(self, date: float, monotonic: float, within: float = 0.0) -> None:
        """Take in a `Date` header, seconds since the epoch.

        `monotonic` is our clock when the server wrote it, known within so many seconds.
        """
        self._target.server_clock.observe_date(date, monotonic, within)

    def reported(self, answer: HealthAnswer, monotonic: float, within: float = 0.0) -> None:
        """Take in a runner's report.

        `monotonic` is our clock when the server wrote it, known within so many seconds.
        """
        target, report = self._target, answer.report
        server_now = answer.server_time
        if server_now is None:
            server_now = target.server_clock.time_at(monotonic)
        else:
            target.server_clock.observe_exact(server_now, monotonic, within)
        if answer.drift:
            target.drift.update(answer.drift)
        self.answers.note(None)
        target.version += 1
        record = target.inventory.record(report.runner_id)
        if record is None:
            return  # its list went with new settings while it was asked after
        moment = target.moment(monotonic, server_now)
        before = record.state
        changes = record.report(report, moment, target.policy)
        record.claims = answer.claims
        stale_after = target.policy.stale_after
        target.history.reported(before, record.state, changes, moment.time, stale_after)
        if changes is not None:
            target.totals.add(record.kind, changes)
        if Operation.WAKES in target.policy.operations:
            unanswered: tuple[str, ...] = ()
            if target.dispatch is not None:
                patience = target.policy.thresholds.unheard_after
                unanswered = target.dispatch.overdue(report.runner_id, monotonic, patience)
            question = record.question(moment, target.policy, unanswered)
            if question is not None:
                self._questions.append(question)

    def failed(self, runner_id: str, reason: Reason) -> None:
        """Note that the report of a runner could not be had."""
        target = self._target
        gone = reason is Reason.NOT_FOUND
        target.version += 1
        self.answers.note(None if gone else reason)
        record = target.inventory.record(runner_id)
        if record is not None:
            before = record.state
            record.fail(target.clock.monotonic(), gone=gone)
            target.history.failed(before, record.state, reason, target.clock.time())

    def wake_questions(self) -> list[WakeQuestion]:
        """Give what to ask of the wake streams of those who reported since the last call."""
        questions, self._questions = self._questions, []
        return questions

    def wakes_read(self, question: WakeQuestion, answer: WakeReading | Reason) -> None:
        """Take in what was read of a runner's wake stream just now, or why it was not."""
        target = self._target
        monotonic = target.clock.monotonic()
        target.version += 1
        reading, reason = (None, answer) if isinstance(answer, Reason) else (answer, None)
        self._wake_answers.asked += 1
        self._wake_answers.note(reason)
        record = target.inventory.record(question.runner_id)
        if record is None:
            return
        ahead = question.server_ahead
        moment = target.moment(monotonic, None if ahead is None else monotonic + ahead)
        unanswered = None
        if target.dispatch is not None:
            patience = target.policy.thresholds.unheard_after
            if reading is not None:
                target.dispatch.wakes(
                    question.runner_id, record.kind, reading, monotonic, question.unanswered
                )
            unanswered = target.dispatch.refuses(question.runner_id, monotonic, patience)
        before = record.state
        record.read_wakes(reading, moment, target.policy, unanswered=unanswered)
        target.history.wakes_read(before, record.state, moment.time, self._began_at)

    def claims_read(self, news: ClaimNews, full_scan: FullScan) -> None:
        """Take in what a reading of all claims told; only watched runners' are counted."""
        target = self._target
        target.full_scan = full_scan
        if target.claims is None:
            target.claims = ClaimTotals()
        for claim in news.ended:
            record = target.inventory.record(claim.runner_id)
            if record is not None:
                target.claims.count(claim, record.kind)
        if target.dispatch is not None:
            target.dispatch.claims(news.started, news.held)

    def left_out_claims(self, held: int) -> None:
        """Note that there are more claims than the so many that are held."""
        self._claims_held = held

    def end(self, *, complete: bool = True) -> PollResult:
        """Close the poll; `complete` is False where its sweep was cut short."""
        target = self._target
        self._end_tenants(complete=complete)
        target.got_list = bool(self._got)
        lists = self._got.issuperset(target.policy.principals)
        health = complete and bool(self._got) and self.answers.tolerable
        # What was not asked for did not fail, and is not known to succeed either.
        reached = bool(self._got) and (self.answers.good > 0 or not self.answers.asked)
        outcomes = {
            Operation.LIST: lists,
            Operation.HEALTH: health,
            Operation.WAKES: reached and self._wake_answers.tolerable,
            Operation.SERVER: self._server_asked and not self._server_silent,
        }
        target.poll_success = {each: outcomes[each] for each in target.policy.operations}
        now, monotonic = target.clock.time(), target.clock.monotonic()
        target.last_poll_at = now
        target.last_duration = monotonic - self._began
        server_now = target.server_clock.time_at(monotonic)
        target.clock_offset = None if server_now is None else server_now - now
        if lists and health:
            target.last_success_at = now
        if self._server_fails():
            target.outages.failed(monotonic)
        elif self._got:
            heard = list(self._heard()) if target.outages.open else ()
            target.outages.served(monotonic, target.policy.thresholds.recovery, heard)
        if target.dispatch is not None:
            target.dispatch.forget({runner.listed.id for runner in target.inventory.states()})
        target.version += 1
        faults = tuple(self._faults(complete=complete))
        target.ended(now, faults)
        return PollResult(lists and health, bool(self._got), faults)

    def _end_tenants(self, *, complete: bool) -> None:
        tenants = self._target.tenants
        for name, tenant in tenants.items():
            poll = self._tenants.get(name)
            if poll is None:
                # Without a list nobody knows which tenants there are: that of each was not got.
                poll = Poll(tenant)
                for principal, reason in self._not_got.items():
                    poll.listed(principal, reason)
            poll.end(complete=complete)
            self.answers.add(poll.answers)

    def _heard(self) -> Iterable[float]:
        """Give when each runner that answered this poll gave its last sign of life."""
        for runner in self._target.inventory.states():
            seen = runner.observation
            if seen and seen.monotonic >= self._began and seen.sign_of_life_age is not None:
                yield seen.monotonic - seen.sign_of_life_age

    @property
    def _server_silent(self) -> bool:
        """Whether the server did not say how it is; it may be us who could not ask."""
        return self._server in SERVER_FAILS or self._server is Reason.OTHER

    def _server_fails(self) -> bool:
        """Tell whether the server, or its database, was in no state to record a heartbeat."""
        target = self._target
        if self._server in SERVER_FAILS or not self._got:
            target.hears_since = None
            unheard = self._server in SERVER_FAILS
            return unheard or any(reason in SERVER_FAILS for reason in self._not_got.values())
        failures = self.answers.failures
        failed = sum(count for reason, count in failures.items() if reason in SERVER_FAILS)
        if failed <= self.answers.good:
            target.hears_since = None
            return False
        return not self._hears()

    def _hears(self) -> bool:
        """Tell whether the server hears runners though most reports fail.

        It does where most of those were heard lately whose reports were got; and where that was so
        for two minutes of it, whoever falls silent then: a death is still told.
        """
        target = self._target
        now, patience = target.clock.monotonic(), target.policy.thresholds.abandoned_after
        heard = sum(now - at <= patience / 2 for at in self._heard())
        if 2 * heard > self.answers.good:
            if target.hears_since is None:
                target.hears_since = now
            return True
        if target.hears_since is not None and now - target.hears_since >= 2 * patience:
            return True
        target.hears_since = None
        return False

    def _faults(self, *, complete: bool) -> Iterable[PollFault]:
        if self._server_silent:
            text = "the server does not answer"
            yield self._fault(text, Operation.SERVER, self._server)
        for principal in self._target.policy.principals:
            if principal not in self._got:
                text = f"no list for {principal}"
                yield self._fault(text, Operation.LIST, self._not_got.get(principal))
        for principal, share in self._unreadable.items():
            text = f"items of the list for {principal} cannot be read"
            yield PollFault(text, f"{share} {text}")
        answers = self.answers
        if answers.failed:
            text = "runners did not answer"
            yield PollFault(text, answers.spell_failures(text, self._words[Operation.HEALTH]))
        left = answers.asked - answers.good - answers.failed
        if left and not complete:
            text = "runners were not asked"
            yield PollFault(text, f"{left} of {answers.asked} {text}")
        elif not complete and not answers.failed and self._got:
            text = "the poll was cut short"
            yield PollFault(text, text)
        if self._claims_held is not None:
            text = f"there are more than {self._claims_held} claims, so none is counted"
            yield PollFault(text, text)
        if self._wake_answers.failed:
            text = "wake streams were not read"
            words = self._words[Operation.WAKES]
            yield PollFault(text, self._wake_answers.spell_failures(text, words))

    def _fault(self, text: str, operation: Operation, reason: Reason | None) -> PollFault:
        """Tell a fault of one request: its kind goes by the reason, its text has the words too."""
        words = self._words[operation].get(reason, "") if reason else ""
        kind = f"{text} ({reason or 'not asked'})"
        return PollFault(kind, f"{kind[:-1]}: {words})" if words else kind)
