package cluster

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

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
		"it is being killed, and still accepts": {[]error{nil, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is killed while it is tried":        {[]error{nil, nil, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is there":                           {[]error{nil}, messages.CodePeerUnreachable},
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
