package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v5/vnet"

	"p2p-messaging/transport/arguments"
)

// cutNetwork is a network in which no packet arrives, while the service is reached on another.
func cutNetwork(t *testing.T) *vnet.Router {
	t.Helper()
	router, err := vnet.NewRouter(&vnet.RouterConfig{CIDR: "192.0.2.0/24", LoggerFactory: logging.NewDefaultLoggerFactory()})
	if err != nil {
		t.Fatal(err)
	}
	router.AddChunkFilter(func(vnet.Chunk) bool { return false })
	t.Cleanup(func() {
		if err := router.Stop(); err != nil {
			t.Error(err)
		}
	})
	return router
}

// on attaches a chat to a network.
func on(t *testing.T, router *vnet.Router, address string) func(*chat) {
	t.Helper()
	network, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{address}})
	if err == nil {
		err = router.AddNet(network)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(c *chat) {
		s := settings()
		s.SetNet(network)
		c.api, c.setup = apiWith(s), 2*time.Second
	}
}

func TestAScriptIsToldThatThereIsNoWay(t *testing.T) {
	t.Parallel()
	service, router := serve(t), cutNetwork(t)
	bobs, ours := on(t, router, "192.0.2.2"), on(t, router, "192.0.2.3")
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	f := flags(t, service, "bob")
	f.ReceiveFiles = t.TempDir() // it takes every call
	startAs(t, f, false, bobs)
	began := time.Now()
	alerts := startAs(t, alerts(t, service), false, ours)
	err := alerts.ends()
	if status := arguments.Status(err); status != StatusNoWay || err == nil || !strings.Contains(err.Error(), "no way to bob was found") {
		t.Errorf("the status is %d with %v, want %d, after %v", status, err, StatusNoWay, time.Since(began))
	}
}
