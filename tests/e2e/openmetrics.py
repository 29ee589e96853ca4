# SPDX-License-Identifier: Apache-2.0
"""A strict reader of OpenMetrics 1.0 text, written from the specification and not from what prismd happens to send."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)?\}})? (\S+)(?: \S+)?$")
NUMBER = re.compile(r"([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|NaN|[+-]Inf)$")
SUFFIXES = {
    "counter": ["_total", "_created"],
    "gauge": [""],
    "info": ["_info"],
    "histogram": ["_bucket", "_count", "_sum", "_created"],
    "unknown": [""],
}


class Malformed(Exception):
    pass


def check(condition, what, line):
    if not condition:
        raise Malformed(f"{what}: {line!r}")


def _bucket_order(family, samples):
    """Cumulative, ascending, closed by +Inf, which equals the count."""
    series = {}
    for (name, labels), value in samples.items():
        rest = tuple(p for p in labels if p[0] != "le")
        entry = series.setdefault(rest, {"buckets": []})
        if name.endswith("_bucket"):
            entry["buckets"].append((float(dict(labels)["le"]), value))
        else:
            entry[name[len(family):]] = value
    for entry in series.values():
        bounds = [b for b, _ in entry["buckets"]]
        counts = [c for _, c in entry["buckets"]]
        check(bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), "buckets are not in order", family)
        check(counts == sorted(counts) and counts[-1] == entry["_count"] and "_sum" in entry, "buckets", family)


class _Reader:
    def __init__(self):
        self.families = {}
        self.current = None

    def metadata(self, line):
        m = re.match(rf"# (TYPE|HELP|UNIT) ({NAME}) ?(.*)$", line)
        check(m, "neither metadata nor a sample", line)
        kind, name, text = m.groups()
        if self.current != name:
            check(name not in self.families, "a family is not in one piece", line)
            self.families[name] = {"type": "unknown", "samples": {}, "seen": set()}
            self.current = name
        family = self.families[name]
        check(not family["samples"], "metadata after samples", line)
        check(kind not in family["seen"], "metadata twice", line)
        family["seen"].add(kind)
        if kind == "TYPE":
            check(text in SUFFIXES, "unknown type", line)
            family["type"] = text
        if kind == "UNIT":
            check(not text or name.endswith("_" + text), "the unit is not in the name", line)

    def sample(self, line):
        m = SAMPLE.match(line)
        check(m, "no sample", line)
        name, value = m.group(1), m.groups()[-1]
        labels = re.findall(LABEL, m.group(2) or "")
        check(NUMBER.match(value), "no number", line)
        check(self.current is not None, "a sample without its type", line)
        family = self.families[self.current]
        check(name in [self.current + s for s in SUFFIXES[family["type"]]], "a name that does not fit its type", line)
        check(len({k for k, _ in labels}) == len(labels), "a label twice", line)
        key = (name, tuple(sorted(labels)))
        check(key not in family["samples"], "a sample twice", line)
        if family["type"] in ("counter", "histogram"):
            check(float(value) >= 0, "below 0", line)
        family["samples"][key] = float(value)


def parse(text):
    """family -> {"type", "samples": {(name, labels): value}}; Malformed says what is wrong."""
    check(text.endswith("# EOF\n"), "no # EOF at the end", text[-40:])
    reader = _Reader()
    for line in text[:-len("# EOF\n")].splitlines():
        check(line != "# EOF" and line.strip() == line and line, "a stray line", line)
        if line.startswith("#"):
            reader.metadata(line)
        else:
            reader.sample(line)
    for name, family in reader.families.items():
        check("HELP" in family["seen"] and "TYPE" in family["seen"], "without help or type", name)
        if family["type"] == "histogram":
            _bucket_order(name, family["samples"])
    return reader.families
