#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""conf/monitoring asks for what there is: each metric of the dashboard and the rules exists, with that kind and those
labels, and is documented; each alert has its lines in docs/operations.md. Syntax of expressions: promtool.sh."""
import json
import pathlib
import re

import yaml

from project import ROOT, files, report, text

RULES = "conf/monitoring/prism.rules.yaml"
DASHBOARD = "conf/monitoring/grafana-dashboard.json"
RUNBOOK = "docs/operations.md"
TARGET_LABELS = {"instance", "job"}  # of the scrape, not of the sample
IDENTITY_LABELS = {"identity", "namespace", "workload"}
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
SERIES = re.compile(r"(?<![\w:])(?:\w+:)?(prism_\w+)(?::\w+)?")
SUFFIXES = ("_bucket", "_sum", "_count")


class Family:
    def __init__(self, kind, labels):
        self.kind, self.labels = kind, labels


# ---- what there is ----


def of_core():
    """From the table of docs/metrics.md, which unit.metric compares with the core's own."""
    row = re.compile(r"^\| `(prism_\w+)` \| (counter|gauge|histogram) \| ([^|]*)\|", re.M)
    return {name: Family(kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in row.findall(text("docs/metrics.md"))}


def of_source(source):
    """From a module's table: an entry [METRIC_X] = {...}, or a macro of its file, for each family."""
    source = source.replace("\\\n", " ")
    arrays = {name: set(re.findall(r'"(\w+)"', body)) for name, body in re.findall(r"(\w+)\[\] = \{([^{}]*?)NULL\}", source)}
    macros = dict(re.findall(r"#define (\w+)\([^)]*\)\s*(.*)", source))
    for entry in re.split(r"\[METRIC_\w+\] =", source)[1:]:
        entry = entry.split("\n};")[0]
        name = re.search(r'"(prism_\w+)"', entry)
        if not name:
            continue
        whole = entry + "".join(body for macro, body in macros.items() if f"{macro}(" in entry)
        kind = re.search(r"PRISM_METRIC_(COUNTER|GAUGE|HISTOGRAM)", whole)
        labels = re.search(r"\.labels = (\w+)", whole)
        labels = set(arrays[labels[1]]) if labels else set()
        yield name[1], Family(kind[1].lower() if kind else "?",
                              labels | (IDENTITY_LABELS if "PRISM_METRIC_BY_IDENTITY" in whole else set()))


def of_modules():
    return {name: family for f in files(".c") if re.match(r"modules/\w+/\w+\.c$", f) for name, family in of_source(text(f))}


def undocumented(families):
    pages = "".join(text(f) for f in files("README.md") if f.startswith("modules/"))
    for name in families:
        if f"| `{name}` |" not in pages:
            yield f"modules:1: {name} is in no README's table of metrics"


# ---- what an expression asks for ----


def family_of(series, families):
    if series in families:
        return families[series]
    for suffix in SUFFIXES:
        base = families.get(series.removesuffix(suffix))
        if series.endswith(suffix) and base and base.kind == "histogram":
            return base
    return None


def known_labels(series, families, recorded):
    out = set(TARGET_LABELS)
    for name in series:
        family = family_of(name, families)
        if family:
            out |= family.labels | ({"le"} if family.kind == "histogram" else set())
    for name in recorded:
        out |= set(name.split(":")[0].split("_"))
    return out


def findings_of(expression, families, recorded):
    """recorded: names of recording rules."""
    bare = STRING.sub('""', expression)
    series, used = [], []
    for match in SERIES.finditer(bare):
        if ":" in match[0]:
            used.append(match[0])
            if match[0] not in recorded:
                yield f"{match[0]} is recorded by no rule"
            continue
        series.append(match[1])
        family = family_of(match[1], families)
        if not family:
            yield f"{match[1]} is no metric of Prism"
            continue
        before = bare[:match.start()].rstrip()
        cumulative = bool(re.search(r"\b(rate|increase|irate)\($", before))
        if cumulative and family.kind == "gauge":
            yield f"{match[1]} is a gauge: it has no rate"
        if not cumulative and (family.kind == "counter" or match[1].endswith(SUFFIXES)):
            yield f"{match[1]} only rises: ask for its rate or increase"
        if family.kind == "histogram" and not match[1].endswith(SUFFIXES):
            yield f"{match[1]} is a histogram: ask for its _bucket, _sum or _count"
        selector = re.match(r"\{(.*?)\}", bare[match.end():])
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector[1]) if selector else []:
            if label not in known_labels([match[1]], families, []):
                yield f"{match[1]} has no label {label}"
    known = known_labels(series, families, used)
    for labels in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", bare):
        for label in filter(None, re.split(r"[,\s]+", labels)):
            if label not in known:
                yield f"no metric of this expression has the label {label}"


def text_labels(template, expression, families):
    """Labels that a text shows and its expression cannot have."""
    bare = STRING.sub('""', expression)
    matches = list(SERIES.finditer(bare))
    if not matches:
        return
    known = known_labels([m[1] for m in matches], families, [m[0] for m in matches if ":" in m[0]])
    for label in re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", template):
        if label not in known:
            yield f"the text shows the label {label}, which the expression does not have"


# ---- the two files ----


def line_of(content, what):
    return content[:content.find(what)].count("\n") + 1 if what in content else 1


def sections(page):
    """anchor -> text up to the next heading, as a renderer of Markdown names them."""
    parts = re.split(r"^#{2,4} (.*)$", page, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-"): body
            for title, body in zip(parts[1::2], parts[2::2])}


def alert_findings(rule, families, runbook):
    if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
        yield "severity is neither critical nor warning"
    notes = rule.get("annotations", {})
    if not notes.get("summary"):
        yield "no summary"
    page, _, anchor = notes.get("runbook", "").partition("#")
    if page != RUNBOOK or f"`{rule['alert']}`" not in runbook.get(anchor, ""):
        yield f"its runbook {page}#{anchor} has no line for it"
    for note in notes.values():
        yield from text_labels(note, rule["expr"], families)


def check_rules(families):
    content, runbook = text(RULES), sections(text(RUNBOOK))
    rules = [rule for group in yaml.safe_load(content)["groups"] for rule in group["rules"]]
    recorded = [rule["record"] for rule in rules if "record" in rule]
    names = [rule.get("alert") or rule["record"] for rule in rules]
    for name in {n for n in names if names.count(n) > 1}:
        yield f"{RULES}:1: {name} is there twice"
    for rule in rules:
        name = rule.get("alert") or rule["record"]
        found = list(findings_of(rule["expr"], families, recorded))
        if "alert" in rule:
            found += alert_findings(rule, families, runbook)
        yield from (f"{RULES}:{line_of(content, name)}: {name}: {finding}" for finding in found)
    for name in re.findall(r"^\| `(Prism\w+)`", text(RUNBOOK), re.M):
        if name not in names:
            yield f"{RUNBOOK}:1: there is no alert {name}"


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def check_dashboard(families):
    content = text(DASHBOARD)
    panels = list(panels_of(json.loads(content)))
    ids = [panel["id"] for panel in panels]
    taken = {}
    for panel in panels:
        title, at = panel["title"], panel["gridPos"]
        where = f"{DASHBOARD}:{line_of(content, json.dumps(title))}: {title}"
        if ids.count(panel["id"]) > 1:
            yield f"{where}: the id {panel['id']} is there twice"
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            if taken.setdefault(cell, title) != title or cell[0] >= 24:
                yield f"{where}: overlaps {taken[cell]}, or is outside"
                break
        if panel["type"] != "row" and not panel.get("targets"):
            yield f"{where}: asks for nothing"
        for target in panel.get("targets", []):
            if target["datasource"]["uid"] != "${datasource}":
                yield f"{where}: names a data source of its own"
            found = list(findings_of(target["expr"], families, []))
            found += text_labels(target["legendFormat"], target["expr"], families)
            yield from (f"{where}: {finding}" for finding in found)


def main():
    modules = of_modules()
    findings = list(undocumented(modules))
    families = {**of_core(), **modules}
    if min(sum(f.kind == kind for f in families.values()) for kind in ("counter", "gauge", "histogram")) < 3:
        findings.append("tests/check/monitoring.py:1: the families of the sources are not read right")
    findings += [*check_rules(families), *check_dashboard(families)]
    report(findings, 2 if (pathlib.Path(ROOT) / DASHBOARD).is_file() else 0, "monitoring")


if __name__ == "__main__":
    main()
