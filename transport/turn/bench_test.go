package turn_test

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"p2p-messaging/transport/turn"
)

// BenchmarkAllocation reports what an allocation takes in the server and in its client together, which share the process, in bytes of heap and of
// stack.
func BenchmarkAllocation(b *testing.B) {
	s := start(b, func(o *turn.Options) { o.AllocationsPerLogin, o.Allocations = 0, 0 })
	who := credentials(s, "alice")
	used := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	before := used()
	for range b.N {
		allocate(b, ways()[0].client(b, s, who))
	}
	b.ReportMetric((used()-before)/float64(b.N), "B/allocation")
}

// BenchmarkRelay has a client send datagrams of 1,200 bytes to a peer through its allocation, and reports what arrives.
func BenchmarkRelay(b *testing.B) {
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer peer.Close()
	s := start(b, func(o *turn.Options) {
		o.AllowPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.RatePerLogin = 0
	})
	relayed := allocate(b, ways()[0].client(b, s, credentials(s, "alice")))
	datagram := make([]byte, 1200)
	received := make(chan struct{}, 1<<16)
	go func() {
		buffer := make([]byte, 1600)
		for {
			if _, _, err := peer.ReadFrom(buffer); err != nil {
				return
			}
			received <- struct{}{}
		}
	}()
	const window = 64 // datagrams under way: more would be lost in the sockets' buffers
	b.SetBytes(int64(len(datagram)))
	b.ResetTimer()
	lost := 0
	for i := range b.N {
		if _, err := relayed.WriteTo(datagram, peer.LocalAddr()); err != nil {
			b.Fatal(err)
		}
		if i >= window {
			select {
			case <-received:
			case <-time.After(100 * time.Millisecond):
				lost++
			}
		}
	}
	b.ReportMetric(float64(lost), "lost")
}
