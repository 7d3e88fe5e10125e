"""A real Prometheus scrapes a real service, and finds what was done to it."""

import re
import subprocess
import unittest

import contract
import kubernetes
import processes
import test_dashboard

P = "microservice_flask_"
SENT = {("POST", "/drink/jack/1"): 3, ("GET", "/report"): 2, ("GET", "/nowhere"): 1, ("POST", "/drink/jack/-1"): 1}
REQUESTS = sum(SENT.values())
SLOTS = 4

# What each query must find after the requests above. Health checks are no requests of clients.
EXPECTED = {
    "up": 1,
    "scrape_samples_scraped > bool 20": 1,
    f"{P}ready": 1,
    f'count({P}info{{service="rum-counter",version=~".+"}})': 1,
    f"{P}uptime_seconds > bool 0": 1,
    f"{P}generation": 1,
    f"{P}slots": SLOTS,
    f"{P}slots_busy": 0,
    f"{P}requests_waiting": 0,
    f"{P}queue_oldest_seconds": 0,
    f"{P}queue_size > bool 0": 1,
    f"{P}clients_reading + {P}clients_writing + {P}clients_idle < bool 10": 1,
    f"count({P}requests_shed_total)": 5,
    f"sum({P}requests_shed_total)": 0,
    f"count({P}worker_exits_total)": 6,
    f"sum({P}worker_exits_total)": 0,
    f"count({P}worker_requests_total)": SLOTS,
    f"sum({P}worker_requests_total) >= bool {REQUESTS}": 1,
    f"count({P}child_restarts_total)": 2,
    f"sum({P}child_restarts_total)": 0,
    f"{P}log_records_produced_total > bool {REQUESTS}": 1,
    f"{P}log_records_delivered_total > bool {REQUESTS}": 1,
    f"{P}log_records_dropped_total": 0,
    f"{P}log_stalled_seconds": 0,
    f'{P}http_requests_total{{method="POST",status="200"}}': 3,
    f'{P}http_requests_total{{method="GET",status="200"}}': 2,
    f'{P}http_requests_total{{method="GET",status="404"}}': 1,
    f'{P}http_requests_total{{method="POST",status="400"}}': 1,
    f"sum({P}http_requests_total)": REQUESTS,
    f"{P}http_request_duration_seconds_count": REQUESTS,
    f"count({P}http_request_duration_seconds_bucket)": 14,
    f'{P}http_request_duration_seconds_bucket{{le="60"}} or {P}http_request_duration_seconds_bucket{{le="60.0"}}': REQUESTS,
    f'{P}http_request_duration_seconds_bucket{{le="+Inf"}}': REQUESTS,
    f"{P}http_request_duration_seconds_sum < bool 60": 1,
    f"{P}queue_wait_seconds_count": REQUESTS,
    f"{P}app_duration_seconds_count": REQUESTS,
    f"{P}app_duration_seconds_sum <= bool {P}http_request_duration_seconds_sum": 1,
    f"{P}request_timeouts_total": 0,
    f"{P}requests_replayed_total": 0,
    f"{P}answers_cut_total": 0,
    f"count({P}worker_memory_pss_bytes > 1e6)": SLOTS,
    f"count({P}worker_cpu_seconds_total)": SLOTS,
    f"count({P}reloads_total)": 4,
    f"sum({P}reloads_total)": 0,
    f"{P}oom_kills_total": 0,
}
# What is there only where the kernel tells it, or after the first reload.
NOT_ALWAYS = {"memory_limit_bytes", "memory_usage_bytes", "cpu_throttled_seconds_total"}
NOT_ALWAYS |= {"reload_last_success", "reload_last_timestamp_seconds"}
# Nothing of these has happened.
EMPTY = re.compile("|".join(["^ALERTS", r'status=~"5\.\."', *sorted(NOT_ALWAYS)]))


class Scrape(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = processes.scratch(cls)
        cls.launcher = processes.Launcher(cls, folder)
        admin = cls.launcher.admin.removeprefix("http://")
        cls.prometheus = processes.Prometheus(cls, folder, admin, kubernetes.job())
        for (method, path), times in SENT.items():
            for _ in range(times):
                processes.fetch(cls.launcher.service + path, method)
        # Requests and memory are counted and looked at now and then, and then scraped.
        cls.wrong = processes.settled(cls.find_wrong)

    @classmethod
    def find_wrong(cls):
        """What Prometheus has, and what it should have, of each query that differs."""
        found = {query: cls.prometheus.values(query) for query in EXPECTED}
        return {query: (found[query], [value]) for query, value in EXPECTED.items() if found[query] != [value]}

    def test_the_target_is_scraped_without_an_error(self):
        targets = self.targets("microservice-flask")
        self.assertEqual([(target["health"], target["lastError"]) for target in targets], [("up", "")])

    def test_the_pods_of_kubernetes_that_ask_for_it_are_targets(self):
        found = [target["labels"] for target in self.targets(kubernetes.JOB)]
        self.assertCountEqual(found, kubernetes.TARGETS)

    def targets(self, job):
        targets = self.prometheus.api("targets")["activeTargets"]
        return [target for target in targets if target["scrapePool"] == job]

    def test_values_are_what_was_done(self):
        self.assertEqual(self.wrong, {})

    def test_workers_have_counted_what_the_status_says(self):
        counted = sum(worker["requests"] for worker in self.launcher.status()["workers"])
        self.assertEqual(self.prometheus.values(f"sum({P}worker_requests_total)"), [counted])

    def test_series_are_those_of_the_contract(self):
        found = {}
        for labels in self.prometheus.api("series", **{"match[]": f'{{__name__=~"{P}.*"}}'}):
            name = labels.pop("__name__")
            found[name] = sorted(labels)
        known = {name: sorted(labels - {"namespace", "pod"}) for name, labels in contract.series().items() if name.startswith(P)}
        for name in NOT_ALWAYS - {one.removeprefix(P) for one in found}:
            known.pop(P + name)
        self.assertEqual(found, known)

    def test_families_have_the_types_of_the_contract(self):
        metadata = self.prometheus.api("targets/metadata")
        found = {one["metric"]: one["type"] for one in metadata}
        known = {name: kind for name, (_, kind) in contract.contract().items()}
        # OpenMetrics names a family of counters without the ending of its samples.
        found = {name + "_total" if kind == "counter" and name not in known else name: kind for name, kind in found.items()}
        self.assertEqual({one["metric"] for one in metadata if not one["help"]}, set())
        for name in NOT_ALWAYS - {one.removeprefix(P) for one in found}:
            known.pop(P + name)
        self.assertEqual(found, known)

    def test_rules_can_be_evaluated_and_no_alert_fires(self):
        rules = processes.until("all rules are evaluated", self.evaluated)
        self.assertEqual(len(rules), len(contract.rules()))
        for rule in rules:
            self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""), rule["name"])
        self.assertEqual(self.prometheus.values('ALERTS{alertname!="MicroserviceFlaskNoTargets"}'), [])

    def evaluated(self):
        rules = [rule for group in self.prometheus.api("rules")["groups"] for rule in group["rules"]]
        return None if any(rule["health"] == "unknown" for rule in rules) else rules

    def test_the_dashboard_can_be_asked_and_is_not_empty(self):
        # A rate needs two scrapes.
        self.assertEqual(processes.settled(self.empty), [])

    def empty(self):
        """The expressions of the dashboard that find nothing, although there is something."""
        asked = [expression for expression in test_dashboard.expressions() if not EMPTY.search(expression)]
        return [expression for expression in asked if not self.prometheus.values(expression)]

    def test_promtool_has_nothing_against_the_metrics(self):
        status, kind, text = processes.fetch(f"{self.launcher.admin}/metrics")
        self.assertEqual((status, kind.split(";")[0]), (200, "text/plain"))
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_open_metrics_are_there_for_who_asks(self):
        accept = "application/openmetrics-text; version=1.0.0"
        status, kind, text = processes.fetch(f"{self.launcher.admin}/metrics", accept=accept)
        self.assertEqual((status, kind.split(";")[0]), (200, "application/openmetrics-text"))
        self.assertTrue(text.endswith("\n# EOF\n"), text[-100:])


if __name__ == "__main__":
    unittest.main()
