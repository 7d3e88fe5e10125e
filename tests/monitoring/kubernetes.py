"""The job of prometheus-kubernetes.yml, with pods that are given. Debian's Prometheus cannot ask Kubernetes for them."""

import contract
import yaml


def pod(name, address, **more):
    """What Kubernetes says of a pod, one target for each of its ports."""
    labels = {"namespace": "default", "pod_name": name, "pod_phase": "Running", "pod_ip": address, **more}
    labels = {f"__meta_kubernetes_{key}": value for key, value in labels.items()}
    return {"targets": [f"{address}:8080", f"{address}:9180"], "labels": labels}


def scraped(port):
    """The annotations of a pod that is to be scraped."""
    prefix = "pod_annotation_prometheus_io"
    return {f"{prefix}_scrape": "true", f"{prefix}_port": port}


PODS = [
    pod("rum-1", "10.1.0.7", **scraped("9180")),
    pod("rum-2", "10.1.0.8", **scraped("9999")),
    pod("other", "10.1.0.9"),
    pod("not", "10.1.0.10", **{**scraped("9180"), "pod_annotation_prometheus_io_scrape": "false"}),
    pod("over", "10.1.0.11", **{**scraped("9180"), "pod_phase": "Succeeded"}),
    pod("init", "10.1.0.12", **{**scraped("9180"), "pod_container_init": "true"}),
]
JOB = "microservice-flask-pods"
TARGETS = [
    {"job": JOB, "instance": "10.1.0.7:9180", "namespace": "default", "pod": "rum-1"},
    {"job": JOB, "instance": "10.1.0.8:9999", "namespace": "default", "pod": "rum-2"},
]


def job():
    """The job as it is in the file, but for the discovery."""
    document = yaml.safe_load((contract.FOLDER / "prometheus-kubernetes.yml").read_text(encoding="utf-8"))
    (one,) = document["scrape_configs"]
    if one.pop("kubernetes_sd_configs") != [{"role": "pod"}] or one["job_name"] != JOB:
        raise AssertionError("another job than the one that is tested here")
    # Only what is found matters: nobody is there to be scraped.
    return {**one, "static_configs": PODS, "scrape_interval": "30d", "scrape_timeout": "10s"}
