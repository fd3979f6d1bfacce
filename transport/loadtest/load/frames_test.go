package load

import (
	"bytes"
	"encoding/json"
	"testing"

	"p2p-messaging/transport/loadtest/options"
)

func TestFramesSayWhatTheyAre(t *testing.T) {
	for _, d := range []dialect{native{}, &peerJS{}} {
		framesSayWhatTheyAre(t, d)
	}
}

func framesSayWhatTheyAre(t *testing.T, d dialect) {
	for _, size := range []int{0, options.MinSize, 5000} {
		f, other := newFrames(d, 0xABCDEF01, size), newFrames(d, 0xABCDEF02, size)
		for _, direction := range []int{0, 1} {
			for sequence := range uint32(30) {
				id := identity{kindRelay, 0x1234567, direction, sequence}
				if n := len(f.sent(id)); size != 0 && n != size {
					t.Fatalf("the frame has %d bytes, want %d", n, size)
				}
				text := bytes.Clone(f.make(id))
				if !json.Valid(text) {
					t.Fatalf("the frame is no JSON: %s", text)
				}
				if got, intact, known := f.identify(text); got != id || !intact || !known {
					t.Errorf("identify(%+v) = %+v, %v, %v", id, got, intact, known)
				}
				if _, intact, _ := other.identify(text); intact {
					t.Error("a frame passes for one of another run")
				}
			}
		}
		text := bytes.Clone(f.make(identity{kindRelay, 7, 0, 9}))
		for i := range text {
			changed := bytes.Clone(text)
			changed[i] ^= 1
			if _, intact, _ := f.identify(changed); intact {
				t.Errorf("a change of byte %d is not noticed", i)
			}
		}
	}
}

// BenchmarkRelayVerify measures the generator's own work for a relay, without sockets and without a service.
func BenchmarkRelayVerify(b *testing.B) {
	f := newFrames(native{}, 1, 0)
	b.ReportAllocs()
	var sequence uint32
	for b.Loop() {
		id := identity{kindRelay, 5, int(sequence & 1), sequence >> 1}
		sent := f.sent(id)
		if !bytes.Equal(sent, f.make(id)) {
			b.Fatal("not equal")
		}
		sequence++
	}
}
