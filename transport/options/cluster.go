package options

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/actors/cluster/routes"
)

// clusterName keeps nodes of other programs out.
const clusterName = "p2p-messaging"

// checkCluster finds options of a cluster that can never work together, or alone.
func (f *Flags) checkCluster() error {
	if !f.Cluster {
		for _, flag := range []struct {
			name  string
			given bool
		}{
			{"--node-id", f.NodeID != ""}, {"--etcd", len(f.Etcd) > 0},
			{"--cluster-listen", f.ClusterListen != ""}, {"--cluster-peers", len(f.ClusterPeers) > 0}, {"--cluster-advertise", f.ClusterAdvertise != ""},
			{"--cluster-cert", f.ClusterCert != ""}, {"--cluster-key", f.ClusterKey != ""}, {"--cluster-ca", f.ClusterCA != ""},
			{"--cluster-insecure", f.ClusterInsecure},
		} {
			if flag.given {
				return usage("%s needs --cluster: without it the service is alone", flag.name)
			}
		}
		return nil
	}
	files := f.ClusterCert != "" || f.ClusterKey != "" || f.ClusterCA != ""
	switch {
	case f.NodeID == "":
		return usage("--cluster needs --node-id, a name that no other node has, such as n1")
	case len(f.Etcd) == 0:
		return usage("--cluster needs --etcd, the URLs of the members of etcd, such as https://10.0.0.9:2379")
	case f.ClusterListen == "":
		return usage("--cluster needs --cluster-listen, where other nodes connect, such as 10.0.0.1:6222")
	case f.ClusterInsecure && files:
		return usage("--cluster-insecure and --cluster-cert exclude each other: the nodes have certificates or they have none")
	case !f.ClusterInsecure && (f.ClusterCert == "" || f.ClusterKey == "" || f.ClusterCA == ""):
		return usage("--cluster needs --cluster-cert, --cluster-key and --cluster-ca: nodes and etcd prove who they are. In a network that nobody else reaches, --cluster-insecure does without")
	case f.LeaseTTL < cluster.MinLeaseTTL || f.LeaseTTL%time.Second != 0:
		return usage("--lease-ttl must be a whole number of seconds, %v at least", cluster.MinLeaseTTL)
	}
	scheme := "https"
	if f.ClusterInsecure {
		scheme = "http"
	}
	for _, member := range f.Etcd {
		if u, err := url.Parse(member); err != nil || u.Scheme != scheme || u.Host == "" {
			return usage("--etcd: %q is no URL of a member: write it as in %s://10.0.0.9:2379", member, scheme)
		}
	}
	for _, a := range append([]string{f.ClusterListen, f.ClusterAdvertise}, f.ClusterPeers...) {
		if _, _, err := net.SplitHostPort(a); a != "" && err != nil {
			return usage("%q is no host and port of a node: write it as in 10.0.0.1:6222", a)
		}
	}
	return nil
}

// JoinCluster prepares the membership in the cluster that the flags name, and makes the actor system with these options use it. It
// returns nil if there is none. Its error says what the operator can do. It is a *[UsageError] if a file cannot be read.
func (f *Flags) JoinCluster(logger *slog.Logger, o *actors.Options) (*cluster.Cluster, error) {
	if !f.Cluster {
		return nil, nil
	}
	var identity *routes.Identity
	var etcdTLS *tls.Config
	if !f.ClusterInsecure {
		var err error
		if identity, err = routes.LoadIdentity(f.ClusterCert, f.ClusterKey, f.ClusterCA); err != nil {
			return nil, &UsageError{Reason: err.Error()}
		}
		etcdTLS = identity.Config()
	}
	node, err := cluster.Open(context.Background(), cluster.Options{
		Etcd: f.Etcd, EtcdTLS: etcdTLS, LeaseTTL: f.LeaseTTL, Logger: logger,
		Routes: routes.Config{
			Cluster: clusterName, Node: f.NodeID, Listen: f.ClusterListen, Advertise: f.ClusterAdvertise, Peers: f.ClusterPeers,
			Identity: identity, Insecure: f.ClusterInsecure,
		},
	})
	if err != nil {
		return nil, err
	}
	o.Cluster, o.RetrySpread, o.DrainTimeout = node, f.RetrySpread, f.DrainTimeout
	return node, nil
}
