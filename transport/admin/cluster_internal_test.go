package admin

import (
	"testing"
	"time"

	"p2p-messaging/actors/cluster"
	"p2p-messaging/actors/cluster/routes"
)

func TestMetricsOfAClusterAreThoseOfItsFigures(t *testing.T) {
	f := &figures{cluster: cluster.Figures{
		Owned: 1, LeaseLeft: 2500 * time.Millisecond, Renewed: 3, Lost: 4, Claims: 5,
		Routes: routes.Figures{Routes: 6, Waiting: 7, Received: 8, Published: 9, Unreadable: 10},
	}}
	f.cluster.Routes.Outcomes[routes.Silent] = 11
	got := make(map[string]float64)
	for _, family := range clusterMetrics() {
		family.read(f)
		for _, m := range family.dto.GetMetric() {
			name := family.dto.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"p2p_cluster_logins": 1, "p2p_cluster_lease_seconds": 2.5, "p2p_cluster_lease_renewals_total": 3, "p2p_cluster_leases_lost_total": 4,
		"p2p_cluster_claims_total": 5, "p2p_cluster_routes": 6, "p2p_cluster_waiting_bytes": 7, "p2p_cluster_received_total": 8,
		"p2p_cluster_batches_total": 9, "p2p_cluster_unreadable_total": 10, "p2p_cluster_sends_total silent": 11, "p2p_cluster_sends_total accepted": 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}
