package admin

import "p2p-messaging/actors/cluster/routes"

// clusterMetrics are those of a service that shares its logins with other nodes.
func clusterMetrics() []*family {
	return []*family{
		metric(gauge, "p2p_cluster_logins", "Logins that this node owns.",
			func(f *figures) float64 { return float64(f.cluster.Owned) }),
		metric(gauge, "p2p_cluster_lease_seconds", "How long the lease of this node still holds. It is renewed long before it ends.",
			func(f *figures) float64 { return f.cluster.LeaseLeft.Seconds() }),
		metric(counter, "p2p_cluster_lease_renewals_total", "Renewals of the lease of this node.",
			func(f *figures) float64 { return float64(f.cluster.Renewed) }),
		metric(counter, "p2p_cluster_leases_lost_total", "Leases that could not be renewed in time. Each has ended all sessions of this node.",
			func(f *figures) float64 { return float64(f.cluster.Lost) }),
		metric(counter, "p2p_cluster_claims_total", "Logins that this node has asked etcd for.",
			func(f *figures) float64 { return float64(f.cluster.Claims) }),
		metric(counter, "p2p_cluster_retries_total", "Operations that were done again because etcd has not answered.",
			func(f *figures) float64 { return float64(f.cluster.Retries) }),
		metric(gauge, "p2p_cluster_waiting_claims", "Claims and releases of logins that etcd has not answered.",
			func(f *figures) float64 { return float64(f.cluster.Waiting) }),
		metric(gauge, "p2p_cluster_unsettled_messages", "Messages that other nodes have taken, and of which it is not known that they are with their clients.",
			func(f *figures) float64 { return float64(f.cluster.Unsettled) }),
		metric(gauge, "p2p_cluster_routes", "Other nodes that this node is connected to.",
			func(f *figures) float64 { return float64(f.cluster.Routes.Routes) }),
		metric(gauge, "p2p_cluster_waiting_bytes", "Bytes of messages to other nodes that were not sent or not answered yet.",
			func(f *figures) float64 { return float64(f.cluster.Routes.Waiting) }),
		metric(counter, "p2p_cluster_received_total", "Messages that other nodes have sent to this one.",
			func(f *figures) float64 { return float64(f.cluster.Routes.Received) }),
		metric(counter, "p2p_cluster_batches_total", "Batches of messages and answers that this node has sent to others.",
			func(f *figures) float64 { return float64(f.cluster.Routes.Published) }),
		metric(counter, "p2p_cluster_unreadable_total", "Batches and messages of other nodes that this version cannot read.",
			func(f *figures) float64 { return float64(f.cluster.Routes.Unreadable) }),
		labeled(counter, "p2p_cluster_sends_total", "Messages to other nodes, by what became of them.", []string{"outcome"},
			func(f *figures, set func(float64, ...string)) {
				for o, n := range f.cluster.Routes.Outcomes {
					set(float64(n), routes.Outcome(o).String())
				}
			}),
	}
}
