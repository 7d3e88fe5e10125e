"""deploy/kubernetes keeps to Kubernetes' schema and to the Pod Security Standard "restricted"."""

import copy
import unittest

import kubernetes_validate
import script
import yaml

# Volumes that the standard allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
HOST = ("hostNetwork", "hostPID", "hostIPC")


def manifests():
    files = sorted((script.ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def pods():
    return [one["spec"]["template"]["spec"] for one in manifests() if "template" in one["spec"]]


def breaches(pod):
    """What the standard has against a pod, and a root filesystem that may be written."""
    found = [key for key in HOST if pod.get(key)]
    found += [f"volume {volume['name']}" for volume in pod.get("volumes", []) if len(VOLUMES & volume.keys()) != 1]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        # What a container says goes before what its pod says.
        context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 1) == 0:
            found.append("runs as root")
        if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append("seccompProfile")
        if context.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation")
        if context.get("privileged"):
            found.append("privileged")
        if context.get("readOnlyRootFilesystem") is not True:
            found.append("readOnlyRootFilesystem")
        rights = context.get("capabilities", {})
        if "ALL" not in rights.get("drop", []) or not set(rights.get("add", [])) <= {"NET_BIND_SERVICE"}:
            found.append("capabilities")
        found += [f"host port {port['hostPort']}" for port in container.get("ports", []) if port.get("hostPort")]
    return found


class Manifests(unittest.TestCase):
    def test_keep_to_the_schema(self):
        self.assertTrue(manifests())
        for manifest in manifests():
            for version in ("1.30", "1.34"):
                kubernetes_validate.validate(manifest, version, strict=True)

    def test_a_misspelled_key_is_found(self):
        wrong = copy.deepcopy(manifests()[0])
        wrong["spec"]["template"]["spec"]["runAsNonRooot"] = True
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, "1.30", strict=True)

    def test_are_restricted(self):
        self.assertTrue(pods())
        for pod in pods():
            self.assertEqual(breaches(pod), [])

    def test_each_breach_is_found(self):
        for key in ("allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"):
            pod = copy.deepcopy(pods()[0])
            del pod["containers"][0]["securityContext"][key]
            self.assertEqual(breaches(pod), [key])
        pod = copy.deepcopy(pods()[0])
        del pod["securityContext"]
        self.assertEqual(breaches(pod), ["runs as root", "seccompProfile"])
        pod["volumes"] = [{"name": "host", "hostPath": {"path": "/"}}]
        self.assertIn("volume host", breaches(pod))

    def test_use_the_port_of_the_unprivileged_image(self):
        ports = [port["containerPort"] for pod in pods() for container in pod["containers"] for port in container["ports"]]
        self.assertEqual(ports, [8080])


if __name__ == "__main__":
    unittest.main()
