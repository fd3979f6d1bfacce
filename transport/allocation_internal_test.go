//go:build !race

package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// Under the race detector a sync.Pool drops some of what it is given, so this is not part of that run.
func TestARelayOnALoopAllocatesNothing(t *testing.T) {
	m := simulate(t)
	defer m.stop()
	alice := m.open("alice")
	m.open("bob")
	frame := rawws.Message(fmt.Sprintf(`{"type":"offer","offer":"%s","from":"alice","to":"bob"}`, strings.Repeat("x", 300)))
	buffer := make([]byte, len(frame))
	at := time.Now()
	// From what was read to what is written, a thousand times in one run, so that one allocation in so many is seen.
	const relays = 1000
	if n := testing.AllocsPerRun(10, func() {
		for range relays {
			copy(buffer, frame) // it is unmasked in place
			alice.Receive(buffer, at)
			m.opening.run()
		}
	}); n > relays/100 { // a collection may take the pools' buffers away
		t.Errorf("%d relays allocate %v times, want never", relays, n)
	}
}
