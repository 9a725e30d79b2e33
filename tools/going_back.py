"""Where the time of a log goes back, and which of its hours are withdrawn by that: rule 4 of
docs/audit-format.md, as far as it is about such leaves."""
import bisect
from leaves import CLOCKS, HOUR, fits, read_leaf, seconds
from on_record import Stretch
from tlog import Refused

WAYS_MAX, STRETCHES_KEPT, STEPS_KEPT = 4096, 65536, 64

class WaysBack:
    """What is known of a log before its leaves are read one by one, and its hours that stand."""
    def __init__(self):
        self.places, self.withdrawn_from, self.right_at, self.first = [], [], [], 0
        self.told, self.forward = [], []

    def foresee(self, entries):
        """Finds the leaves that withdraw something. What cannot be read is found later."""
        try:
            for seq, octets in enumerate(entries):
                if b'"since":' in octets and len(self.places) < WAYS_MAX:
                    self.note(seq, octets)
        except (OSError, Refused):
            pass
        for at in range(len(self.places) - 1, 0, -1):
            for moments in (self.withdrawn_from, self.right_at):
                moments[at - 1] = min(moments[at - 1:at + 1])

    def note(self, seq, octets):
        try:
            leaf = read_leaf(seq, octets)
        except Refused:
            return
        if leaf["kind"] == "clock" and leaf["v"] == 3 and fits(leaf["body"], CLOCKS[3]):
            self.places.append(seq)
            self.withdrawn_from.append(seconds(leaf["body"]["since"]))
            self.right_at.append(seconds(leaf["body"]["until"]))

    def stands(self, leaf):
        """Is the hour of this leaf withdrawn by none behind it?"""
        behind = bisect.bisect_right(self.places, leaf["place"])
        return behind == len(self.places) or self.withdrawn_from[behind] > leaf["start"]

    def at_the_latest(self, leaf):
        """When what this leaf tells happened, at the latest."""
        behind = bisect.bisect_right(self.places, leaf["place"])
        return min([leaf["start"], *self.right_at[behind:behind + 1]])

    def tell(self, hour):
        if self.told and self.told[-1][1] == hour:
            self.told[-1][1] = hour + HOUR
        else:
            self.told.append([hour, hour + HOUR])
        del self.told[:-STRETCHES_KEPT]

    def set_forward(self, at):
        self.forward.append(at)
        del self.forward[:-STEPS_KEPT]

    def told_before(self, limit):
        """The end of the last hour before this moment that stands; else where the log begins."""
        ends = (min(end, limit) for start, end in reversed(self.told) if start < limit)
        return next(ends, min(self.first, limit))

    def go_back(self, log, seq, at, since, until):
        """Goes back, if a log may do so here."""
        limits = {step // HOUR * HOUR for step in [*self.forward, until] if step <= until}
        ends = {self.told_before(limit) for limit in limits}
        if seq not in self.places or at % HOUR or at - until <= HOUR or since not in ends:
            return False
        self.told = [[start, min(end, since)] for start, end in self.told if start < since]
        last = log.stretches[-1] if log.stretches else None
        log.stretches = []
        if last and last.until is None:
            for name in last.live:
                last.live[name] = min(last.live[name], until)
            log.stretches = [Stretch(until, last.lists, last.live)]
            log.stretches[0].set.add(until)
        log.jump, log.out_until = (0, 0), {}
        log.weight = sum(2 + len(run.lists) for run in log.stretches)
        self.first, log.next, log.time = min(self.first, since), since, until
        return True
