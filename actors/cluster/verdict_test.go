package cluster

import (
	"context"
	"testing"
	"testing/synctest"

	"p2p-messaging/messages"
)

// TestLittleWaitsForAVerdict floods a node whose verdict takes long.
func TestLittleWaitsForAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(listening{})
		p.know("n2")
		synctest.Wait()
		judged := make(chan struct{})
		p.dial = func(context.Context, string) error {
			<-judged
			return nil
		}
		const each, count = 64 << 10, 1000
		told := 0
		for range count {
			p.verdict("n2", each, func(code messages.Code) {
				told++
				if code != messages.CodePeerUnreachable {
					t.Errorf("a sender is told %s", code)
				}
			})
		}
		if waits := (count - told) * each; waits > maxJudged || waits < maxJudged/2 {
			t.Errorf("messages of %d bytes wait for the verdict, wanted at most %d", waits, maxJudged)
		}
		close(judged)
		synctest.Wait()
		if told != count {
			t.Errorf("%d of %d senders were told", told, count)
		}
	})
}
