"""Prometheus accepts deploy/monitoring, and its alerts say what an operator needs."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import contract
import yaml

# What an operator reads: no remains of a template, no figure that is not there.
BROKEN = re.compile(r"<no value>|<error|%!|NaN|Inf|\{\{|\s{2}")
DOCUMENTS = contract.ROOT / "docs"


def promtool(*words):
    done = subprocess.run(["promtool", *words], cwd=contract.FOLDER, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def headings(page):
    return re.findall(r"^#+ (.*)$", (DOCUMENTS / page).read_text(encoding="utf-8"), re.MULTILINE)


def load(name):
    return yaml.safe_load((contract.FOLDER / name).read_text(encoding="utf-8"))


class Rules(unittest.TestCase):
    def test_are_valid(self):
        for words in (["check", "rules", "--lint-fatal", "alerts.yml"], ["check", "config", "prometheus.yml"]):
            code, output = promtool(*words)
            self.assertEqual(code, 0, output)

    def test_every_alert_is_expected_somewhere(self):
        text = (contract.FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
        fired = set(re.findall(r"alertname=\"(\w+)\"[^}]*\}', value:", text))
        self.assertEqual(fired, {alert["alert"] for alert in contract.alerts()})

    def test_use_metrics_that_exist(self):
        for rule in contract.rules():
            self.assertEqual(contract.problems(rule["expr"]), [], rule)
            for text in rule.get("annotations", {}).values():
                for name in re.findall(r"(?:instance:)?microservice_flask_\w+(?::\w+)?", text):
                    self.assertIn(name, contract.series())

    def test_problems_are_found(self):
        self.assertEqual(contract.problems("microservice_flask_redy"), ["there is no metric microservice_flask_redy"])
        self.assertEqual(
            contract.problems('rate(microservice_flask_requests_shed_total{casue="x"}[5m])'),
            ["microservice_flask_requests_shed_total has no label casue"],
        )
        for text in (
            "sum by (worker) (microservice_flask_ready)",
            "microservice_flask_ready * on (worker) up",
            "up * on (job) group_left (worker) microservice_flask_ready",
            "-max_over_time((microservice_flask_ready and ignoring (worker) up)[5m:1m])",
        ):
            self.assertEqual(contract.problems(text), ["no metric here has a label worker"], text)


class Texts(unittest.TestCase):
    def test_every_alert_says_what_to_do(self):
        for alert in contract.alerts():
            with self.subTest(alert["alert"]):
                self.assertIn(alert["labels"]["severity"], ("page", "ticket"))
                self.assertEqual(set(alert["annotations"]), {"summary", "description", "action", "runbook"})
                for name in ("summary", "description", "action"):
                    self.assertRegex(alert["annotations"][name], r"[.;] ?(\{\{ end \}\})?$")

    def test_runbooks_are_sections_of_the_documentation(self):
        titles = headings("operations.md")
        for alert in contract.alerts():
            title = re.fullmatch(r'docs/operations\.md, "(.*)"', alert["annotations"]["runbook"]).group(1)
            self.assertIn(title, titles, alert["alert"])

    def test_the_documentation_has_every_metric_and_alert(self):
        self.assertLessEqual({alert["alert"] for alert in contract.alerts()}, set(headings("metrics.md")))
        page = (DOCUMENTS / "metrics.md").read_text(encoding="utf-8")
        names = re.findall(r"^\| `([a-z_]+)(?:\{[a-z,]+\})?` \|", page, re.MULTILINE)
        self.assertEqual(sorted("microservice_flask_" + name for name in names), sorted(contract.own()))
        for name in set(contract.contract()) - set(contract.own()):
            self.assertIn(f"`{name}`", page)


class Tests(unittest.TestCase):
    """One run of alerts_test.yml with probes: tests that expect nothing where an alert fires, so that its text is printed."""

    @classmethod
    def setUpClass(cls):
        document = load("alerts_test.yml")
        # What stands there as a whole needs no probe.
        seen = {one["alertname"] for test in document["tests"] for one in test.get("alert_rule_test", [])}
        cls.probed = set()
        for test in document["tests"]:
            for look in test["promql_expr_test"]:
                names = set(re.findall(r'alertname="(\w+)"', str(look.get("exp_samples", "")))) - seen - cls.probed
                if "firing" in look["expr"]:
                    probes = [{"eval_time": look["eval_time"], "alertname": name} for name in sorted(names)]
                    test["alert_rule_test"] = test.get("alert_rule_test", []) + probes
                    cls.probed |= names
        document["rule_files"] = [str(contract.FOLDER / name) for name in document["rule_files"]]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            # JSON is YAML.
            json.dump(document, file)
            file.flush()
            _, cls.output = promtool("test", "rules", file.name)
        cls.texts = dict(re.findall(r'Labels:\{.*?alertname="(\w+)".*?\}\s*Annotations:\{(.*)\}', cls.output))

    def test_each_alert_fires_when_it_should_and_no_other_does(self):
        self.assertNotRegex(self.output, r"(?m)^\s*expr:")
        failed = re.findall(r"alertname: ?(\w+), time", self.output)
        self.assertEqual(sorted(failed), sorted(self.probed), self.output)
        self.assertEqual(set(self.texts), self.probed)

    def test_what_an_operator_reads_is_whole(self):
        for name, annotations in self.texts.items():
            self.assertNotRegex(annotations, BROKEN, name)
            self.assertRegex(re.search(r'description="(.*?)", ', annotations).group(1), r"\d", name)


if __name__ == "__main__":
    unittest.main()
