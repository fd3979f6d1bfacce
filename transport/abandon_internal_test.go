package transport

import (
	"testing"

	"p2p-messaging/transport/internal/frame"
)

// A client may resume on many connections and read none of them. Each then holds no more than a frame.
func TestAnAbandonedOutboxHoldsOnlyTheFrameThatWasBegun(t *testing.T) {
	var (
		o    outbox
		pool buffers
	)
	payload := make([]byte, 1000)
	for range 200 {
		o.put(&pool, frame.Text, payload, nil)
	}
	o.begin(scheduled)
	o.wrote(&pool, 2500)
	o.block(true, 1)
	if o.isAbandoned() {
		t.Error("the outbox is abandoned before anybody did so")
	}
	o.abandon(&pool, frame.AppendClose(nil, 4100, ""), 1)
	if !o.isAbandoned() {
		t.Error("the outbox is not abandoned")
	}
	o.begin(full)
	b, last := o.shorten(&pool, 0)
	if want := 3*1004 - 2500; len(b) != want || last {
		t.Errorf("%d bytes are left, last: %t; want %d, and the close frame behind them", len(b), last, want)
	}
	if held := cap(o.out.bytes); held > 2048 {
		t.Errorf("%d bytes are held for a frame of 1,004", held)
	}
	o.wrote(&pool, len(b))
	if do, b, last := o.next(); do != stepWrite || len(b) != 4 || !last {
		t.Errorf("then comes step %d with %d bytes, last: %t; want the close frame", do, len(b), last)
	}
	if n := o.waiting.Load(); n != 4 {
		t.Errorf("%d bytes are counted as waiting, want 4", n)
	}
}
