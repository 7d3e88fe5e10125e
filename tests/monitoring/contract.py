"""The metrics of metrics.txt, and what is wrong with an expression that uses others."""

import functools
import pathlib
import re

import promql_parser
import yaml

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"

# Labels that Prometheus gives to every series of a target (prometheus.yml, prometheus-kubernetes.yml).
TARGET = {"job", "instance", "namespace", "pod"}
# Series that Prometheus itself makes.
PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity", "service", "cause", "child"}}
HISTOGRAM = {"_bucket": {"le"}, "_sum": set(), "_count": set()}


def contract():
    """Each family of metrics.txt: its labels and its type."""
    families = {}
    for line in (pathlib.Path(__file__).parent / "metrics.txt").read_text(encoding="utf-8").splitlines():
        name, labels, kind = re.fullmatch(r"([a-z_]+)(?:\{([a-z_,]+)\})? (counter|gauge|histogram)", line).groups()
        families[name] = (set(labels.split(",")) if labels else set(), kind)
    return families


def own():
    """Those of the product. The others are the usual ones of a process."""
    return [name for name in contract() if name.startswith("microservice_flask_")]


@functools.cache
def series():
    """The labels of each name that a series may have, those of recording rules included."""
    known = {name: labels | TARGET for name, labels in PROMETHEUS.items()}
    for name, (labels, kind) in contract().items():
        for ending, more in HISTOGRAM.items() if kind == "histogram" else [("", set())]:
            known[name + ending] = labels | more | TARGET
    known.update({rule["record"]: TARGET for rule in rules() if "record" in rule})
    return known


@functools.cache
def rules():
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def parts(expression):
    """An expression and all that it consists of."""
    yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        part = getattr(expression, name, None)
        if part is not None:
            yield from parts(part)
    for argument in getattr(expression, "args", []):
        yield from parts(argument)


def named_labels(part):
    """The labels that `by`, `on`, `group_left` and so on name."""
    modifier = getattr(part, "modifier", None)
    matching = getattr(modifier, "matching", None)
    return {
        *(getattr(modifier, "labels", None) or []),
        *(getattr(modifier, "group_labels", None) or []),
        *(getattr(matching, "labels", None) or []),
    }


def problems(text):
    """What of an expression the contract does not have."""
    known = series()
    found, labels, named = [], set(TARGET), set()
    for part in parts(promql_parser.parse(text)):
        named |= named_labels(part)
        if getattr(getattr(part, "func", None), "name", "") == "label_replace":
            labels.add(part.args[1].val)
        if not isinstance(part, promql_parser.VectorSelector):
            continue
        if part.name not in known:
            found.append(f"there is no metric {part.name}")
            continue
        labels |= known[part.name]
        used = {matcher.name for matcher in part.matchers.matchers}
        found += [f"{part.name} has no label {label}" for label in sorted(used - known[part.name])]
    return found + [f"no metric here has a label {label}" for label in sorted(named - labels)]
