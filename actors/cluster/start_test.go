package cluster

import (
	"net"
	"testing"

	"p2p-messaging/actors/cluster/routes"
)

// TestAFailedStartLeavesTheStoreToClose has the port for other nodes be taken. What was opened is closed once.
func TestAFailedStartLeavesTheStoreToClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	store, err := openEtcd([]string{"http://" + l.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{relay: newRelay(), etcd: store, store: store, options: Options{Routes: routes.Config{
		Cluster: "test", Node: "n1", Listen: l.Addr().String(), Insecure: true,
	}}}
	if err := c.Start(nil); err == nil {
		t.Fatal("the node has started on a port that is taken")
	}
	if err := store.client.Ctx().Err(); err != nil {
		t.Errorf("Start has closed the store: %v", err)
	}
	c.Close()
	if store.client.Ctx().Err() == nil {
		t.Error("Close has not closed the store")
	}
}
