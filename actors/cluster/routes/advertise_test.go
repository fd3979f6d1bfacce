package routes

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// forward passes connections to the address that it gets, and counts them.
func forward(t *testing.T) (address string, to chan<- string, count *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	known := make(chan string, 1)
	count = new(atomic.Int32)
	go func() {
		behind := <-known
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			target, err := net.Dial("tcp", behind)
			if err != nil {
				_ = from.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{from, target}, {target, from}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				}()
			}
		}
	}()
	return l.Addr().String(), known, count
}

// A node that others do not reach at the address on which it listens tells them another one. Who hears of it from a third node
// connects there.
func TestOthersConnectToTheAddressThatANodeTells(t *testing.T) {
	t.Parallel()
	told, to, count := forward(t)
	a := start(t, config("a"))
	b := start(t, config("b", a.Listening()))
	together(t, a, b)
	c := config("c", a.Listening())
	c.Advertise = told
	newcomer := start(t, c)
	to <- newcomer.Listening()
	together(t, a, b, newcomer)
	if count.Load() == 0 {
		t.Error("nobody connected to the address that the node tells")
	}
}
