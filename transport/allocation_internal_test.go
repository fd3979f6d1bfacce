//go:build !race

package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// This test does not run under the race detector, because there a sync.Pool drops some of its items at random.
func TestARelayOnALoopAllocatesNothing(t *testing.T) {
	m := simulate(t)
	defer m.stop()
	alice := m.open("alice")
	m.open("bob")
	frame := rawws.Message(fmt.Sprintf(`{"type":"offer","offer":"%s","from":"alice","to":"bob"}`, strings.Repeat("x", 300)))
	buffer := make([]byte, len(frame))
	at := time.Now()
	// One run has a thousand relays, each from a read to a write. So rare allocations count too.
	const relays = 1000
	if n := testing.AllocsPerRun(10, func() {
		for range relays {
			copy(buffer, frame) // Receive unmasks the frame in place
			alice.Receive(buffer, at)
			m.opening.run()
		}
	}); n > relays/100 { // a garbage collection may empty the pools
		t.Errorf("%d relays allocate %v times, want never", relays, n)
	}
}
