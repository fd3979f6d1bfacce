package services

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Lingering is the service at url behind a forwarder that leaves a connection open when the service has ended it, as some
// services do after a close frame. It ends with the test.
func Lingering(t *testing.T, url string) string {
	return forward(t, url, 1<<30, Drain)
}

// Full is the service at url, which takes only this many connections. The others wait in the accept queue for ever, as those to a
// service that is out of files. It ends with the test.
func Full(t *testing.T, url string, connections int) string {
	return forward(t, url, connections, func(net.Conn) {})
}

// forward forwards TCP connections to the service at url. It calls after with a connection whose service has ended it.
func forward(t *testing.T, url string, connections int, after func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	var serving sync.WaitGroup
	serving.Go(func() {
		for range connections {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer here.Close()
				there, err := net.Dial("tcp", host)
				if err != nil {
					return
				}
				defer there.Close()
				serving.Go(func() {
					_, _ = io.Copy(there, here)
					_ = there.Close()
				})
				_, _ = io.Copy(here, there)
				after(here)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return "ws://" + listener.Addr().String() + "/" + path
}
