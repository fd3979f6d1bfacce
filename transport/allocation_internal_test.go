//go:build !race

package transport

import (
	"fmt"
	"strings"
	"testing"

	"p2p-messaging/transport/internal/rawws"
)

// This test does not run under the race detector, because there a sync.Pool drops some of its items at random.
func TestARelayOnALoopAllocatesNothing(t *testing.T) {
	for name, measured := range map[string]bool{"not measured": false, "measured and timed": true} {
		t.Run(name, func(t *testing.T) {
			m := simulate(t)
			defer m.stop()
			if measured {
				m.tallies = make([]tally, m.connections.loops)
			}
			alice := m.open("alice")
			m.open("bob")
			frame := rawws.Message(fmt.Sprintf(`{"type":"offer","offer":"%s","from":"alice","to":"bob"}`, strings.Repeat("x", 300)))
			buffer := make([]byte, len(frame))
			at := m.time(m.now() / timedShare * timedShare) // of those that are timed
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
			if f := m.Figures(); measured && (f.Relays != 11*relays || f.Latency.Count != 11*relays) || !measured && f.Relays+f.Latency.Count != 0 {
				t.Errorf("%d relays are counted and %d are timed, want %d", f.Relays, f.Latency.Count, 11*relays)
			}
		})
	}
}
