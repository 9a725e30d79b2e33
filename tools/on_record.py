"""The time that is on record by a log's events, and what its hours say of it; and which versions of
a list may be in force: rule 4 of docs/audit-format.md, as far as it is about these."""

HOUR, SERIALS_MAX = 3600, 64

class ListVersions:
    """What a log has said of one list's versions."""
    def __init__(self):
        self.standing, self.known = (None, None), {}

    def may_be_live(self, serial, manifest):
        """A serial is above all before, or the standing one, or the highest again."""
        rises = serial is None or serial >= max(self.known, default=serial)
        is_standing = (serial, manifest) == self.standing
        return (rises or is_standing) and self.has_one_manifest(serial, manifest)

    def has_one_manifest(self, serial, manifest):
        return serial is None or self.known.get(serial, manifest) == manifest

    def stand(self, serial, manifest):
        self.standing = (serial, manifest)
        if serial is not None:
            self.known[serial] = manifest
            if len(self.known) > SERIALS_MAX:
                del self.known[min(self.known)]

class Stretch:
    """A time that is on record without a break, and what a gap behind it is called."""
    def __init__(self, start, lists, live):
        self.start, self.until, self.end = start, None, "unrecorded"
        self.lists, self.live, self.set = lists, live, set()

    def overlap(self, hour, since=0):
        until = hour + HOUR if self.until is None else min(self.until, hour + HOUR)
        return max(0, until - max(self.start, hour, since))

    def touches(self, hour):
        return self.start <= hour + HOUR and (self.until is None or self.until >= hour)

    def awaits_clock(self, name, hour):
        """Did the list come in force in this hour, at whose end no clock was set so far?"""
        end, live = hour + HOUR, self.live.get(name)
        is_on = name in self.lists and self.start < end and (self.until or end) >= end
        return is_on and end not in self.set and live is not None and hour <= live < end - 1

    def common(self, span):
        """What it has of a time: from, until."""
        return max(span[0], self.start), span[1] if self.until is None else min(self.until, span[1])

    def falls_out(self, span, live, end, before):
        """Is a list not in force that came in force before, in this run?"""
        begin, until = self.common(span)
        may_begin = begin <= live or begin == end - HOUR == before
        may_end = until in self.set or until == end <= live + HOUR or until <= live + 1
        return begin < until and not (may_begin and may_end)

def told_gaps(stretches, told, hour):
    """The gaps since the last hour, by the events."""
    gaps, reached, kind = [], told, "unrecorded"
    for run in stretches:
        gaps.append((reached, min(run.start, hour + HOUR), kind))
        until = hour + HOUR if run.until is None else run.until
        reached = max(reached, until if run.lists else run.start)
        kind = run.end if run.lists else "unrecorded"
    return [gap for gap in [*gaps, (reached, hour + HOUR, kind)] if gap[0] < gap[1]]

def has_right_seconds(leaf, log):
    """Do the seconds of an hour's leaf agree with the events? Notes when its list was out."""
    stretches, out_until = log.stretches, log.out_until
    hour, gaps, out, blocked = leaf["start"], leaf["gaps"], leaf["out"], leaf["blocked"]
    edges = [edge for span in sorted(gaps + out, key=lambda span: span[:2])
             for edge in span[:2]] + [hour + HOUR]
    spans = [[span[:2] for span in times] for times in (gaps, out)]
    in_order = edges == sorted(edges) and all(times == sorted(times) for times in spans)
    in_order = in_order and all(span[0] < span[1] for span in gaps + out)
    in_order = in_order and all(hour <= span[0] for span in out)
    gap_s, out_s = (sum(until - start for start, until in times) for times in spans)
    runs = [run for run in stretches if leaf["list"] in run.lists and run.touches(hour)]
    live = [run.live.get(leaf["list"]) for run in runs]
    ran_s, in_force_s = sum(run.overlap(hour) for run in runs), leaf["in_force_s"]
    live_s = sum(run.overlap(hour, at) for run, at in zip(runs, live) if at is not None)
    before = out_until.get(leaf["list"])
    falls_out = any(run.falls_out(span, at, hour + HOUR, before)
                    for run, at in zip(runs, live) for span in out if at is not None)
    for span in out:
        parts = (until - begin for begin, until in (run.common(span) for run in runs))
        within_s = sum(max(0, part) for part in parts)
        in_order = in_order and within_s == span[1] - span[0]
        out_until[leaf["list"]] = span[1]
    says = leaf["v"] == 1 or in_force_s <= live_s and not falls_out
    is_brief = any(at is not None and (run.overlap(hour) == 0 or hour <= at <= hour + HOUR)
                   for run, at in zip(runs, live))
    # What was blocked before in the hour of a log that took over is told there.
    has_time = hour == log.handed_over or in_force_s > 0 or sum(blocked.values()) == 0 or is_brief
    in_gaps = sum(max(0, until - max(start, hour)) for start, until in spans[0])
    is_exact = in_force_s + out_s == ran_s <= HOUR - in_gaps and leaf["gap_s"] == gap_s
    return in_order and is_exact and says and has_time
