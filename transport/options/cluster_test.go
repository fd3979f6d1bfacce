package options

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatNeverWorksForAClusterIsNamed(t *testing.T) {
	whole := "--cluster --node-id=n1 --etcd=https://10.0.0.9:2379 --cluster-listen=10.0.0.1:6222 --cluster-cert=c --cluster-key=k --cluster-ca=a"
	for arguments, want := range map[string]string{
		"--node-id=n1":                                  "--node-id needs --cluster:",
		"--etcd=https://10.0.0.9:2379":                  "--etcd needs --cluster:",
		"--cluster-key=k":                               "--cluster-key needs --cluster:",
		"--cluster-ca=a --cluster-insecure":             "--cluster-ca needs --cluster:",
		"--cluster":                                     "--cluster needs --node-id",
		"--cluster --node-id=n1":                        "--cluster needs --etcd",
		whole + " --cluster-insecure":                   "--cluster-insecure and --cluster-cert exclude each other",
		whole + " --lease-ttl=2s":                       "--lease-ttl must be",
		whole + " --lease-ttl=4500ms":                   "--lease-ttl must be",
		whole + " --etcd=http://10.0.0.9:2379":          "is no URL of a member",
		whole + " --cluster-peers=10.0.0.2":             "is no host and port of a node",
		whole + " --cluster-advertise=10.0.0.2":         "is no host and port of a node",
		strings.Replace(whole, "--cluster-ca=a", "", 1): "--cluster needs --cluster-cert, --cluster-key and --cluster-ca",
	} {
		var usage *UsageError
		for range 3 { // always the same
			if err := parse(t, strings.Fields(arguments)...).Check(); !errors.As(err, &usage) || !strings.Contains(usage.Reason, want) {
				t.Errorf("%s: %v; wanted %q in a UsageError", arguments, err, want)
			}
		}
	}
	for _, arguments := range []string{whole, whole + " --lease-ttl=7s --cluster-peers=10.0.0.2:6222,n3.example:6222 --cluster-advertise=203.0.113.1:6222"} {
		if err := parse(t, strings.Fields(arguments)...).Check(); err != nil {
			t.Errorf("%s: %v", arguments, err)
		}
	}
}
