#!/usr/bin/env python3
"""Checks a report that wardline published against its audit logs: rule 6 of docs/audit-format.md,
and what docs/report.md says is hidden. The logs are checked as verify_audit.py does, which must lie
beside this file, with what it needs."""
import datetime, json, re
from collections import defaultdict
import tlog, verify_audit

REPORT_MAX, MILLION, SHOWN_FROM = 64 << 20, 1_000_000, 10

class ByList:
    """The form of an object whose keys are ids."""
    def __init__(self, form, is_sorted=False):
        self.form, self.is_sorted = form, is_sorted

FIGURE = (int, None, "hidden")
FIGURES = ByList(FIGURE, True)
GAPS = ByList({"count": int, "seconds": int})
DAY = {"day": str, "blocked": FIGURES, "blocked_by_all": FIGURE}
MONTH = {"month": str, "blocked": FIGURES, "blocked_by_all": FIGURE,
         "questions_in_millions": (int, None),
         "in_force": ByList({"seconds": int, "due_seconds": int}), "done": ByList(ByList(int)),
         "gaps": GAPS, "not_in_force": GAPS}
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
        return report if same and fits(report, REPORT) else None
    except (ValueError, RecursionError):
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
    return first.timestamp()

def has_all_months(report):
    months, next_one = report["months"], report["from"]
    for month in months:
        days, named = days_of(month["month"]), [day["day"] for day in month.get("days", [])]
        by_day = report["by"] == "day" and named == days
        by_month = report["by"] == "month" and "days" not in month
        if month["month"] != next_one or not days or not (by_day or by_month):
            return False
        next_one = after(next_one)
    return bool(months) and next_one == report["until"]

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

def check_report(report, logs):
    """Each figure, hidden or not, made anew from the leaves."""
    if report is None:
        return [("report", "report form")]
    told = min((log.next for log in logs if not log.is_followed), default=0)
    if not has_all_months(report) or first_second(report["until"]) > told:
        return [("report", "report months")]
    told, questions, findings = defaultdict(int), defaultdict(int), []
    for log in logs:
        for key, count in log.blocked.items():
            told[key] += count
        for day, count in log.questions.items():
            questions[day[:7]] += count
    months = [month["month"] for month in report["months"]]
    made = {name: [hide([told.get((name, day)) for day in days_of(month)]) for month in months]
            for name in sorted({name for name, _ in told})}
    is_there = lambda all_of: any(month is not None for month, _ in all_of)
    made = {name: all_of for name, all_of in made.items() if is_there(all_of)}
    def hold(time, shown, by_all, figures):
        for name in sorted({*shown, *figures}):
            if name not in shown or name not in figures or shown[name] != figures[name]:
                findings.append(("report", f"report {time} list {name}"))
        if by_all != add_up(figures.values()):
            findings.append(("report", f"report {time} all"))
    if [one["id"] for one in report["lists"]] != list(made):
        findings.append(("report", "report lists"))
    for place, month in enumerate(report["months"]):
        figures = {name: all_of[place][0] for name, all_of in made.items()}
        hold(month["month"], month["blocked"], month["blocked_by_all"], figures)
        for at, day in enumerate(month.get("days", [])):
            of_day = {name: all_of[place][1][at] for name, all_of in made.items()}
            hold(day["day"], day["blocked"], day["blocked_by_all"], of_day)
        count = questions[month["month"]]
        blocked = sum(figure for figure in figures.values() if type(figure) is int)
        millions = (count + MILLION // 2) // MILLION
        millions = millions if 0 < millions and millions * MILLION > 2 * blocked + MILLION else None
        if month["questions_in_millions"] != millions:
            findings.append(("report", f"report {month['month']} questions"))
    sums = {name: add_up(month for month, _ in all_of) for name, all_of in made.items()}
    hold("sums", report["sums"]["blocked"], report["sums"]["blocked_by_all"], sums)
    return findings

def main():
    parser = verify_audit.arguments("Check a published report: 0 if it is what the logs say.")
    parser.add_argument("--report", required=True, help="file of a published report (JSON)")
    args = parser.parse_intermixed_args()
    report = read_report(tlog.read_file(args.report, REPORT_MAX))
    logs, longest, findings = verify_audit.check_logs(args)
    if all(log.is_whole for log in logs):
        findings += check_report(report, longest)
    verify_audit.tell(logs, longest)
    print("NOT CHECKED: what a report says beside its counts (papers, versions, time in force, "
          "gaps, what was done, heads of logs)")
    return verify_audit.conclude(findings, logs)

if __name__ == "__main__":
    verify_audit.run(main)
