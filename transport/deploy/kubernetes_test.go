package deploy

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// object has what the tests look at in an object of Kubernetes.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas *int
		Strategy struct {
			RollingUpdate struct{ MaxSurge, MaxUnavailable any }
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				TerminationGracePeriodSeconds int
				Containers                    []struct {
					Args  []string
					Ports []struct {
						Name          string
						ContainerPort int
					}
					ReadinessProbe, LivenessProbe, StartupProbe probe
					Lifecycle                                   struct {
						PreStop struct{ Sleep struct{ Seconds int } }
					}
				}
			}
		}
		Selector any
		Ports    []struct{ TargetPort any }
	}
}

type probe struct {
	HTTPGet struct {
		Path string
		Port any
	}
}

// manifests returns the objects of a file, and fails the test if the API's types refuse it.
func manifests(t *testing.T, file string) []object {
	t.Helper()
	name, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	if err := json.Unmarshal(output(t, tool(t, "manifests", name)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKubernetesTakesTheManifests(t *testing.T) {
	long(t)
	all := map[string]object{}
	for _, o := range manifests(t, "kubernetes.yaml") {
		all[o.Kind] = o
	}
	for _, kind := range []string{"Namespace", "ServiceAccount", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} {
		if _, ok := all[kind]; !ok {
			t.Errorf("there is no %s", kind)
		}
	}
	deployment := all["Deployment"].Spec
	if *deployment.Replicas != 1 {
		t.Errorf("there are %d replicas: people on two of them would not find each other", *deployment.Replicas)
	}
	pod := deployment.Template.Spec
	c := pod.Containers[0]
	if grace, used := time.Duration(pod.TerminationGracePeriodSeconds)*time.Second, time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second+end; grace < used+5*time.Second {
		t.Errorf("the pod is killed after %v, and needs %v to end", grace, used)
	}
	for name, at := range map[string]struct {
		probe
		path string
	}{"readiness": {c.ReadinessProbe, "/readyz"}, "liveness": {c.LivenessProbe, "/healthz"}, "startup": {c.StartupProbe, "/healthz"}} {
		if at.HTTPGet.Path != at.path || at.HTTPGet.Port != "admin" {
			t.Errorf("the %s probe is %v; wanted %s of the port admin", name, at.HTTPGet, at.path)
		}
	}
	if !slices.Contains(c.Args, "--port=7777") || !slices.Contains(c.Args, "--admin=:7778") || c.Ports[0].ContainerPort != 7777 || c.Ports[1].ContainerPort != 7778 {
		t.Errorf("the program has the arguments %q, and the container the ports %v", c.Args, c.Ports)
	}
	if target := all["Service"].Spec.Ports[0].TargetPort; target != c.Ports[0].Name {
		t.Errorf("the Service leads to the port %v", target)
	}
}

// TestKubernetesTakesTheManifestsOfACluster looks at what the nodes and the members of etcd must know of each other.
func TestKubernetesTakesTheManifestsOfACluster(t *testing.T) {
	long(t)
	all := map[string]object{}
	for _, o := range manifests(t, "cluster/kubernetes.yaml") {
		all[o.Kind+" "+o.Metadata.Name] = o
	}
	for _, name := range []string{
		"Namespace p2p-messaging", "ServiceAccount p2p-messaging", "Service nodes", "StatefulSet p2p-messaging", "Service p2p-messaging", "PodDisruptionBudget p2p-messaging",
		"NetworkPolicy p2p-messaging", "Service etcd", "StatefulSet etcd", "PodDisruptionBudget etcd", "NetworkPolicy etcd",
	} {
		if _, ok := all[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	nodes, etcd := all["StatefulSet p2p-messaging"].Spec, all["StatefulSet etcd"].Spec
	if *nodes.Replicas != 3 || *etcd.Replicas != 3 {
		t.Errorf("there are %d nodes and %d members of etcd", *nodes.Replicas, *etcd.Replicas)
	}
	pod := nodes.Template.Spec
	node, member := pod.Containers[0], etcd.Template.Spec.Containers[0]
	for i := range 3 {
		for argument, wanted := range map[string]string{
			"--cluster-peers=":   fmt.Sprintf("p2p-messaging-%d.nodes.p2p-messaging.svc:6222", i),
			"--etcd=":            fmt.Sprintf("https://etcd-%d.etcd.p2p-messaging.svc:2379", i),
			"--initial-cluster=": fmt.Sprintf("etcd-%d=https://etcd-%[1]d.etcd.p2p-messaging.svc:2380", i),
		} {
			if !slices.ContainsFunc(slices.Concat(node.Args, member.Args), func(a string) bool {
				values, ok := strings.CutPrefix(a, argument)
				return ok && slices.Contains(strings.Split(values, ","), wanted)
			}) {
				t.Errorf("%s does not have %s", argument, wanted)
			}
		}
	}
	const drain = 10 * time.Second // the default of --drain-timeout
	if grace, used := time.Duration(pod.TerminationGracePeriodSeconds)*time.Second, time.Duration(node.Lifecycle.PreStop.Sleep.Seconds)*time.Second+drain+end; grace < used+5*time.Second {
		t.Errorf("the pod is killed after %v, and needs %v to end", grace, used)
	}
	if node.ReadinessProbe.HTTPGet.Path != "/readyz" || node.LivenessProbe.HTTPGet.Path != "/healthz" || node.StartupProbe.HTTPGet.Path != "/healthz" {
		t.Errorf("the probes are %v, %v and %v", node.ReadinessProbe, node.LivenessProbe, node.StartupProbe)
	}
}

func TestWrongManifestsAreRefused(t *testing.T) {
	long(t)
	alone, cluster := "kubernetes.yaml", "cluster/kubernetes.yaml"
	for name, c := range map[string]struct{ file, from, to, says string }{
		"a field that does not exist": {alone, "replicas: 1", "replica: 1", "unknown field"},
		"a field that stands twice":   {alone, "replicas: 1", "replicas: 1\n  replicas: 2", "already set"},
		"a wrong type":                {alone, "maxSurge: 1", "maxSurge: {}", ""},
		"an API that does not exist":  {alone, "policy/v1\n", "policy/v3\n", "no kind"},
		"a pod with root's rights":    {alone, "runAsNonRoot: true", "runAsNonRoot: false", "not restricted"},
		"a node with root's rights":   {cluster, "runAsNonRoot: true", "runAsNonRoot: false", "not restricted"},
		"a pod with capabilities":     {alone, "drop:\n                - ALL", "add:\n                - NET_ADMIN", "not restricted"},
	} {
		t.Run(name, func(t *testing.T) {
			right := read(t, c.file)
			wrong := strings.Replace(right, c.from, c.to, 1)
			if wrong == right {
				t.Fatalf("the manifests do not have %q", c.from)
			}
			file := filepath.Join(t.TempDir(), "wrong.yaml")
			write(t, file, wrong, 0o644)
			out, err := tool(t, "manifests", file).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%v\n%s\nwanted an error with %q", err, out, c.says)
			}
		})
	}
}
