#!/usr/bin/env python3
"""Checks a report that wardline published against its audit logs: rule 6 of docs/audit-format.md,
and what docs/report.md says is hidden. The logs are checked as verify_audit.py does, which must lie
beside this file, with what it needs."""
import base64, datetime, itertools, json, re
import figures, tlog, verify_audit

REPORT_MAX, MONTHS_MAX, MILLION, SHOWN_FROM = 8 << 20, 120, 1_000_000, 10

class ByList:
    """The form of an object whose keys are ids."""
    def __init__(self, form, is_sorted=False):
        self.form, self.is_sorted = form, is_sorted

FIGURE = (int, None, "hidden")
FIGURES = ByList(FIGURE, True)
GAP = {"count": int, "seconds": int}
DAY = {"day": str, "blocked": FIGURES, "blocked_by_all": FIGURE}
MONTH = {"month": str, "blocked": FIGURES, "blocked_by_all": FIGURE,
         "questions_in_millions": (int, None),
         "in_force": ByList({"seconds": int, "due_seconds": int}, True),
         "done": ByList(ByList(int), True), "gaps": ByList(GAP), "not_in_force": ByList(GAP, True)}
PAPERS = {"since": str, "authority": str, "legal_basis": str}
VERSION = {"serial": int, "issued": str, "live": str, "seconds": int}
HEAD = {"origin": str, "size": str, "root": str, "signed_at": str}
REPORT = {"report": "wardline-report", "version": 1, "software": str, "by": str,
          "from": (str, None), "until": (str, None), "meaning": str, "hiding": str,
          "hidden_below": SHOWN_FROM, "in_force": str, "left_out": str, "checking": str,
          "resolvers": int, "copies_left_out": int,
          "lists": [{"id": str, "papers": [PAPERS], "versions": [VERSION]}],
          "months": [(MONTH, {**MONTH, "days": [DAY]})], "not_over": [str],
          "sums": {"blocked": FIGURES, "blocked_by_all": FIGURE}, "log_heads": [HEAD]}

def fits(value, form):
    """As in verify_audit.py, but keys in their order, and a word or a number for itself."""
    if isinstance(form, dict):
        same = type(value) is dict and list(value) == list(form)
        return same and all(fits(value[key], form[key]) for key in form)
    if isinstance(form, ByList):
        in_order = not form.is_sorted or type(value) is dict and list(value) == sorted(value)
        fit = type(value) is dict and all(fits(item, form.form) for item in value.values())
        return in_order and fit
    if isinstance(form, list):
        return type(value) is list and all(fits(item, form[0]) for item in value)
    if isinstance(form, tuple):
        return any(fits(value, choice) for choice in form)
    if isinstance(form, (str, int)):
        return type(value) is type(form) and value == form
    if form is int:
        return type(value) is int and 0 <= value < 2**64
    return value is None if form is None else type(value) is form

def read_report(octets):
    """A report, if its text is the only one that it may have; else nothing."""
    try:
        text = octets.decode()
        report = json.loads(text)
        same = json.dumps(report, indent=2, ensure_ascii=False) + "\n" == text
        heads = [head["origin"] for head in report["log_heads"]] if same else []
        same = same and heads == sorted(set(heads))
        return report if same and fits(report, REPORT) else None
    except (ValueError, RecursionError, LookupError, TypeError):
        return None

def days_of(month):
    """The names of a month's days; none where that is no month."""
    if not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", month) or not "0001" <= month < "9999":
        return []
    first = datetime.date(int(month[:4]), int(month[5:]), 1)
    days = (first + datetime.timedelta(day) for day in range(31))
    return [f"{day:%Y-%m-%d}".zfill(10) for day in days if day.month == first.month]

def after(month):
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"

def first_second(month):
    first = datetime.datetime(int(month[:4]), int(month[5:]), 1, tzinfo=datetime.timezone.utc)
    return int(first.timestamp())

def has_all_months(report):
    months, next_one = report["months"], report["from"]
    for month in months:
        days, named = days_of(month["month"]), [day["day"] for day in month.get("days", [])]
        by_day = report["by"] == "day" and named == days
        by_month = report["by"] == "month" and "days" not in month
        if month["month"] != next_one or not days or not (by_day or by_month):
            return False
        next_one = after(next_one)
    return 0 < len(months) <= MONTHS_MAX and next_one == report["until"]

def blocks_of(days):
    """The weeks from the 1st, 8th, 15th and 22nd on, those with less than two days in force joined
    to the next one, and at the end to the one before."""
    in_force = lambda block: sum(days[day] is not None for day in block)
    blocks = []
    for week in (range(0, 7), range(7, 14), range(14, 21), range(21, len(days))):
        if blocks and in_force(blocks[-1]) < 2:
            blocks[-1] += week
        else:
            blocks.append(list(week))
    if len(blocks) > 1 and in_force(blocks[-1]) < 2:
        last = blocks.pop()
        blocks[-1] += last
    return blocks

def hide(days):
    """The figure of a month, and those of its days."""
    count = lambda places: sum(days[day] or 0 for day in places)
    total, blocks = count(range(len(days))), blocks_of(days)
    small = lambda block: any(days[day] is not None and days[day] < SHOWN_FROM for day in block)
    hidden = [total < SHOWN_FROM or small(block) for block in blocks]
    behind = sum(count(block) for block, is_hidden in zip(blocks, hidden) if is_hidden)
    if any(hidden) and total >= SHOWN_FROM and behind < SHOWN_FROM:
        first = hidden.index(True)
        following = ((first + step) % len(blocks) for step in range(1, len(blocks)))
        hidden[next((block for block in following if not hidden[block]), first)] = True
    gone = {day for block, is_hidden in zip(blocks, hidden) if is_hidden for day in block}
    figures = [None if count is None else "hidden" if day in gone else count
               for day, count in enumerate(days)]
    month = None if set(days) == {None} else "hidden" if total < SHOWN_FROM else total
    return month, figures

def add_up(figures):
    """Hidden if one is; nothing if there is none."""
    figures = [figure for figure in figures if figure is not None]
    return "hidden" if "hidden" in figures else sum(figures) if figures else None

def utc(at):
    """Beyond the year 9999 a time stays a number."""
    if at > 253_402_207_200:
        return str(at)
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}".zfill(20)

class Report:
    """A report, and what the logs say of its months."""
    def __init__(self, report):
        self.report, self.seen, self.counted_logs, self.findings = report, {}, set(), []
        self.figures, self.head_size = None, None
        if report and has_all_months(report):
            names = [month["month"] for month in report["months"]] + [report["until"]]
            self.figures = figures.Figures([first_second(name) for name in names])

    def counted(self, pin):
        """Itself, if the log's leaves are to be counted for it; of copies only the longest are."""
        if self.figures is None or pin is None or pin[1] in self.counted_logs:
            return None
        self.counted_logs.add(pin[1])
        self.figures.begin_log(pin[1])
        heads = self.report["log_heads"]
        size = next((head["size"] for head in heads if head["origin"] == pin[1]), "")
        self.head_size = int(size) if re.fullmatch("0|[1-9][0-9]{0,17}", size) else None
        return self

    def hold(self, place, shown, made):
        if shown != made:
            self.findings.append(("report", f"report {place}"))

    def hold_each(self, place, shown, made):
        for name in sorted({*shown, *made}):
            is_same = name in shown and name in made and shown[name] == made[name]
            self.hold(f"{place} {name}", is_same, True)

    def hold_heads(self):
        shown = {head["origin"]: head for head in self.report["log_heads"]}
        made = {}
        for origin, size in self.figures.heads.items():
            seen, root, time = self.seen.get(origin, (-1, b"", 0))
            made[origin] = seen >= size and {
                "origin": origin, "size": str(seen), "signed_at": utc(time),
                "root": base64.b64encode(root).decode()}
        self.hold_each("head", shown, made)

    def check(self, told):
        if self.report is None:
            return [("report", "report form")]
        if self.figures is None or self.figures.end > told:
            return [("report", "report months")]
        self.figures.finish()
        if self.figures.is_beyond:
            return [("report", "report months")]
        self.hold_heads()
        lists = {}
        for name, list_figures in sorted(self.figures.lists.items()):
            days = iter(list_figures.blocked)
            months = [hide(list(itertools.islice(days, len(days_of(month["month"])))))
                      for month in self.report["months"]]
            if any(month is not None for month, _ in months):
                lists[name] = months
        self.hold("lists", [one["id"] for one in self.report["lists"]], list(lists))
        self.hold_versions(lists)
        self.hold("resolvers", self.report["resolvers"], self.figures.resolvers)
        for place in range(len(self.report["months"])):
            self.hold_month(place, lists)
        sums = {name: add_up(month for month, _ in months) for name, months in lists.items()}
        self.hold_figures("sums", self.report["sums"], sums)
        return self.findings[:100]

    def hold_versions(self, lists):
        shown = {one["id"]: one["versions"] for one in self.report["lists"]}
        for name in lists:
            made = [{"serial": serial, "issued": utc(issued), "live": utc(live),
                     "seconds": max(0, live - issued)}
                    for serial, (issued, live) in sorted(self.figures.lists[name].versions.items())]
            self.hold(f"versions {name}", shown.get(name, made), made)

    def hold_figures(self, time, shown, made):
        self.hold_each(f"{time} list", shown["blocked"], made)
        self.hold(f"{time} all", shown["blocked_by_all"], add_up(made.values()))

    def hold_month(self, place, lists):
        month, of_all = self.report["months"][place], self.figures
        name, days = month["month"], [day for day, of in enumerate(of_all.month_of_day)
                                      if of == place]
        made = {one: months[place][0] for one, months in lists.items()}
        self.hold_figures(name, month, made)
        for at, day in enumerate(month.get("days", [])):
            self.hold_figures(day["day"], day, {one: lists[one][place][1][at] for one in lists})
        blocked = sum(figure for figure in made.values() if type(figure) is int)
        millions = (of_all.questions[place] + MILLION // 2) // MILLION
        millions = millions if 0 < millions and millions * MILLION > 2 * blocked + MILLION else None
        self.hold(f"{name} questions", month["questions_in_millions"], millions)
        add = lambda seconds: sum(seconds[day] for day in days)
        force = {one: {"seconds": add(of_all.lists[one].in_force),
                       "due_seconds": add(of_all.lists[one].due)} for one in lists}
        self.hold_each(f"{name} in-force", month["in_force"], force)
        in_order = lambda done: {one: list(steps.items()) for one, steps in done.items()}
        done = {one: self.done(place, one) for one in lists if made[one] is not None}
        self.hold_each(f"{name} done", in_order(month["done"]), in_order(done))
        gaps = [(kind, of_all.gaps[place, kind]) for kind in figures.GAPS]
        gaps = [(kind, {"count": count, "seconds": seconds}) for kind, (count, seconds) in gaps
                if count > 0]
        self.hold(f"{name} gaps", list(month["gaps"].items()), gaps)
        out = {one: of_all.lists[one].out[place] for one in lists}
        out = {one: {"count": count, "seconds": seconds} for one, (count, seconds) in out.items()
               if count > 0}
        self.hold_each(f"{name} not-in-force", month["not_in_force"], out)

    def done(self, place, name):
        """What was done about a list, with the deadline that the report itself names first."""
        of_list, bounds = self.figures.lists[name], self.figures.bounds
        done = {kind: of_list.steps[place, kind] for kind in figures.STEPS}
        told = (month["done"][name] for month in self.report["months"] if name in month["done"])
        deadline = next(told, {}).get("deadline_seconds")
        if deadline is not None:
            took = [max(0, live - issued) for issued, live in of_list.versions.values()
                    if bounds[place] <= live < bounds[place + 1]]
            done.update(versions=len(took), within_deadline=sum(
                seconds <= deadline for seconds in took), deadline_seconds=deadline)
        return done

def main():
    parser = verify_audit.arguments("Check a published report: 0 if it is what the logs say.")
    parser.add_argument("--report", required=True, help="file of a published report (JSON)")
    args = parser.parse_intermixed_args()
    if args.public:
        parser.error("a report can only be checked with the whole logs, not with their public part")
    report = Report(read_report(tlog.read_file(args.report, REPORT_MAX)))
    logs, longest, findings, sums = verify_audit.check_logs(args, report)
    if all(log.is_whole for log in logs):
        told = min((log.next for log in longest if not log.is_followed), default=0)
        findings += report.check(told)
    verify_audit.tell(logs, sums)
    print("NOT CHECKED: what a report says in words, who answers for its lists, its deadlines, the "
          "months that it says are not over, and how many copies were left out")
    return verify_audit.conclude(findings, logs)

if __name__ == "__main__":
    verify_audit.run(main)
