"""deploy/monitoring/dashboard.json is whole, and asks for metrics that exist."""

import json
import re
import subprocess
import tempfile
import unittest

import contract
import yaml

# What Grafana puts in for its variables. Regular expressions of label_replace keep their ${1}.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$service": ".*"}
# The columns of Grafana's grid.
WIDTH = 24


def dashboard():
    return json.loads((contract.FOLDER / "dashboard.json").read_text(encoding="utf-8"))


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def filled_in(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def expressions():
    """Each PromQL expression of the panels and annotations, with what Grafana fills in."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [one["expr"] for one in dashboard()["annotations"]["list"] if "expr" in one]
    return [filled_in(expression) for expression in found]


def cells(place):
    """The cells of the grid that a panel covers."""
    return {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}


class Expressions(unittest.TestCase):
    def test_use_metrics_that_exist(self):
        for expression in expressions():
            self.assertEqual(contract.problems(expression), [], expression)
            self.assertNotRegex(expression, r"\$(?!\{1\})")

    def test_prometheus_accepts_them(self):
        rules = [{"record": f"expression:{number}", "expr": text} for number, text in enumerate(expressions())]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            done = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)

    def test_every_metric_is_shown(self):
        text = " ".join(expressions())
        for name in contract.own():
            self.assertRegex(text, rf"\b{name}(_bucket|_sum|_count)?\b")

    def test_variables_name_the_service_and_its_instances(self):
        variables = {one["name"]: one for one in dashboard()["templating"]["list"]}
        self.assertEqual(list(variables), ["datasource", "service", "instance"])
        for name in ("service", "instance"):
            query = variables[name]["query"]["query"]
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
            self.assertEqual((contract.problems(filled_in(metric)), label), ([], name))


class Structure(unittest.TestCase):
    def test_is_for_grafana_10(self):
        self.assertGreaterEqual(dashboard()["schemaVersion"], 38)

    def test_ids_and_titles_are_unique(self):
        for key in ("id", "title"):
            values = [panel[key] for panel in dashboard()["panels"]]
            self.assertEqual(len(values), len(set(values)), key)

    def test_no_panel_covers_another(self):
        taken = set()
        for panel in dashboard()["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], WIDTH, panel["title"])
            self.assertFalse(cells(place) & taken, panel["title"])
            taken |= cells(place)

    def test_every_panel_explains_itself(self):
        self.assertTrue(panels())
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertRegex(panel["description"], r"^[A-Zc0-9].{40,}\.$")
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["targets"])
                references = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(references), len(set(references)))
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                    self.assertTrue(target["expr"])
                    self.assertNotEqual(target["range"], target["instant"])

    def test_legends_name_labels_that_the_series_have(self):
        known = contract.series()
        for panel in panels():
            for target in panel["targets"]:
                labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                names = [name for name in known if re.search(rf"\b{name}\b", target["expr"])]
                made = set(re.findall(r'label_replace\(.*?, "(\w+)", "\$\{1\}', target["expr"]))
                self.assertLessEqual(labels, made.union(*(known[name] for name in names)), panel["title"])


if __name__ == "__main__":
    unittest.main()
