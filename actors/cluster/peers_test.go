package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// listening is a store that knows where each node listens.
type listening struct{ Store }

func (listening) Node(context.Context, string) (string, bool, error) { return "n2:6222", false, nil }

func TestTheVerdictOnANode(t *testing.T) {
	for name, c := range map[string]struct {
		dials []error // what comes of each try; the last one stands for all that follow
		want  messages.Code
	}{
		"it is gone":                            {[]error{syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is being killed, and still accepts": {[]error{errEnded, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is killed while it is tried":        {[]error{errEnded, errEnded, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is there":                           {[]error{nil}, messages.CodePeerUnreachable},
		"it ends connections":                   {[]error{errEnded}, messages.CodePeerUnreachable},
		"it does not answer":                    {[]error{os.ErrDeadlineExceeded}, messages.CodePeerUnreachable},
		"its machine is not there":              {[]error{errors.New("no route to host")}, messages.CodePeerUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers(listening{})
				p.dial = func(context.Context, string) error {
					err := c.dials[0]
					if len(c.dials) > 1 {
						c.dials = c.dials[1:]
					}
					return err
				}
				p.know(routes.Address("n2"))
				synctest.Wait()
				told := make(chan messages.Code, 1)
				p.verdict("n2", 0, func(code messages.Code) { told <- code })
				if code := <-told; code != c.want {
					t.Errorf("the sender is told %s, wanted %s", code, c.want)
				}
			})
		})
	}
}

// TestAProcessThatEndsAfterItHasAcceptedIsGone has a node accept a connection, as the kernel of a machine that is slow does for a process
// that was killed, and end with it.
func TestAProcessThatEndsAfterItHasAcceptedIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPeers(nil)
	tries := 0
	p.dial = func(ctx context.Context, address string) error {
		if tries++; tries > 1 {
			return dial(ctx, address)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				_ = l.Close()
				_ = c.Close()
			}
		}()
		err := dial(context.Background(), address) // however slow the machine is
		if !errors.Is(err, errEnded) {
			t.Errorf("the first connection ended with %v", err)
		}
		return err
	}
	if !p.refuses(l.Addr().String()) || tries != 2 {
		t.Errorf("the process is not known to be gone after %d tries", tries)
	}
}

func TestNodesThatHaveEndedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(listening{})
		p.dial = func(context.Context, string) error { return syscall.ECONNREFUSED }
		p.know("n1-1")
		for i := range 100 {
			address := routes.Address(fmt.Sprintf("n2-%d", i))
			p.know(address)
			synctest.Wait()
			if i%2 == 0 { // of the others nobody asks before the next one has the name
				p.verdict(address, 0, func(messages.Code) {})
			}
			time.Sleep(keepGone / 2)
		}
		if len(p.nodes) > 5 {
			t.Errorf("%d processes of two nodes are remembered", len(p.nodes))
		}
		if p.nodes["n1-1"] == nil || p.nodes["n2-99"] == nil {
			t.Error("a process that is there was forgotten")
		}
	})
}
