package nodes

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/actors/cluster/proof"
	"p2p-messaging/transport"
	"p2p-messaging/transport/admin"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/internal/atonce"
	"p2p-messaging/transport/options"
	"p2p-messaging/transport/service"
)

// A test that starts a node sets these environment variables: the file for the events, and the fault that the node has on purpose.
const (
	eventsVariable = "P2P_PROOF_EVENTS"
	faultVariable  = "P2P_PROOF_FAULT"
)

// scratch is a folder for all tests.
var scratch string

// TestMain makes the test program a node if a test has started it as one.
func TestMain(m *testing.M) {
	if file := os.Getenv(eventsVariable); file != "" {
		if err := serve(file, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	atonce.Tests(4) // They wait most of the time.
	var err error
	if scratch, err = os.MkdirTemp("", "nodes"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(status)
}

// serve is the service as main has it, with an observer between its parts. It has no page.
func serve(file string, given []string) error {
	var f options.Flags
	parser, err := kong.New(&f, kong.Vars(options.Vars()), kong.ExplicitGroups(options.Groups()))
	if err != nil {
		return err
	}
	if _, err = parser.Parse(given); err == nil {
		err = f.Check()
	}
	if err != nil {
		return err
	}
	events, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	watching := &observer{
		recorder: proof.NewRecorder(events, filepath.Base(file), now), fault: os.Getenv(faultVariable), claims: map[string]string{},
	}
	service.SetCollector()
	logger := f.Logger(os.Stderr)
	inside, outside := f.Actors(logger), f.Transport(logger, nil)
	node, err := f.JoinCluster(logger, &inside)
	if err != nil {
		return err
	}
	defer node.Close()
	if watching.fault != unobserved {
		node.Through(func(store cluster.Store) cluster.Store {
			watching.Store = store
			return watching
		})
		inside.Cluster = &observed{inside.Cluster, watching}
	}
	system := actors.NewSystem(inside)
	server, err := transport.New(system, outside)
	if err != nil {
		return err
	}
	interrupted, restore := arguments.Interruptible()
	defer restore()
	operator, loopback, err := f.OpenAdmin(logger)
	if err != nil {
		return err
	}
	if err := node.Start(system); err != nil {
		return err
	}
	listener, _, err := f.Open(logger)
	if err != nil {
		return err
	}
	running := service.Start(logger, system, server, listener)
	shown := admin.Service{System: system, Server: server, Ready: func() bool { return running.Ready() && node.Ready() }}
	defer admin.Start(operator, shown, admin.Options{Logger: logger, Host: f.AdminHost(), Loopback: loopback})()
	service.Announce(os.Stdout, f.Host, listener.Addr().(*net.TCPAddr).Port)
	running.Wait(interrupted)
	restore()
	if err := running.Stop(); err != nil {
		return err
	}
	return watching.recorder.Err()
}
