package turn

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// nobody is a listener to which nobody connects.
type nobody struct{ closed chan struct{} }

func (n nobody) Accept() (net.Conn, error) { <-n.closed; return nil, net.ErrClosed }
func (n nobody) Close() error              { close(n.closed); return nil }
func (nobody) Addr() net.Addr              { return &net.TCPAddr{} }

// from is a connection of the client with this port.
type from struct {
	net.Conn
	port          int
	authenticated chan struct{} // closed when it is told so; may be nil
}

func (f from) Authenticated() {
	if f.authenticated != nil {
		close(f.authenticated)
	}
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: f.port} }
func (f from) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 3478} }

// connect gives the streams a client's connection. It returns the client's side and what was accepted.
func connect(t *testing.T, s *streams, port int) (client net.Conn, accepted net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	s.serve(from{server, port, nil})
	accepted, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, accepted
}

// isClosed reports whether the other side has closed a connection.
func isClosed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

func TestAStreamWithoutAnAllocationEndsWhateverItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(nobody{make(chan struct{})})
		defer s.Close()
		client, accepted := connect(t, s, 1)
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			for {
				if _, err := client.Write(make([]byte, 20)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		began := time.Now()
		for {
			if _, err := accepted.Read(make([]byte, 1600)); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the stream ends with %v", err)
				}
				break
			}
		}
		if lived := time.Since(began); lived != unallocated {
			t.Errorf("it lived %v, want %v", lived, unallocated)
		}
		_ = accepted.Close()
	})
}

func TestAnAllocationLetsAStreamLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(nobody{make(chan struct{})})
		defer s.Close()
		client, accepted := connect(t, s, 1)
		defer client.Close()
		ended := make(chan time.Time)
		go func() {
			_, _ = accepted.Read(make([]byte, 1600))
			ended <- time.Now()
		}()
		synctest.Wait()
		began := time.Now()
		s.setAllocated(accepted.RemoteAddr(), accepted.LocalAddr(), true)
		time.Sleep(5 * time.Minute)
		s.setAllocated(accepted.RemoteAddr(), accepted.LocalAddr(), false) // as when it expires
		if lived := (<-ended).Sub(began); lived != 5*time.Minute+unallocated {
			t.Errorf("with an allocation of 5m it lived %v", lived)
		}
		// That of UDP from the same address is another client's.
		client2, accepted2 := connect(t, s, 2)
		defer client2.Close()
		s.setAllocated(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 2}, accepted2.LocalAddr(), true)
		began = time.Now()
		if _, err := accepted2.Read(make([]byte, 1600)); err == nil || time.Since(began) != unallocated {
			t.Errorf("by the allocation of another it lived %v", time.Since(began))
		}
	})
}

func TestAConnectionIsToldThatItsClientHasAnAllocation(t *testing.T) {
	s := newStreams(nobody{make(chan struct{})})
	defer s.Close()
	_, server := net.Pipe()
	c := from{server, 1, make(chan struct{})}
	s.serve(c)
	s.setAllocated(c.RemoteAddr(), c.LocalAddr(), false)
	select {
	case <-c.authenticated:
		t.Error("it is told so without an allocation")
	default:
	}
	s.setAllocated(c.RemoteAddr(), c.LocalAddr(), true)
	<-c.authenticated
}

func TestWhereStreamsAreTooManyTheLongestWithoutAnAllocationGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(nobody{make(chan struct{})})
		s.most = 3
		clients := make([]net.Conn, 6)
		for i := range 3 {
			var accepted net.Conn
			clients[i], accepted = connect(t, s, i)
			if i == 0 {
				s.setAllocated(accepted.RemoteAddr(), accepted.LocalAddr(), true)
			}
		}
		clients[3], _ = connect(t, s, 3)
		for i, want := range []bool{false, true, false, false} {
			if got := isClosed(clients[i]); got != want {
				t.Errorf("when a fourth has come, stream %d is closed: %v, want %v", i, got, want)
			}
		}
		for i := 2; i < 4; i++ {
			s.setAllocated(from{port: i}.RemoteAddr(), from{}.LocalAddr(), true)
		}
		client, server := net.Pipe()
		s.serve(from{server, 4, nil})
		if !isClosed(client) {
			t.Error("a stream stays for which there is no room")
		}
		// Pion/turn would take one with the addresses of another for that one.
		_ = s.open[endsOf(from{port: 3}.RemoteAddr(), from{}.LocalAddr())].Close()
		client, server = net.Pipe()
		s.serve(from{server, 2, nil})
		if !isClosed(client) {
			t.Error("a stream stays whose addresses another has")
		}
		if isClosed(clients[2]) {
			t.Error("one that has allocated is closed for another with its addresses")
		}
		_ = s.Close()
		synctest.Wait()
		for i, c := range clients[:4] {
			if !isClosed(c) {
				t.Errorf("after the end stream %d is open", i)
			}
		}
	})
}

func TestMessagesInAStreamAreFoundInWhateverPiecesTheyCome(t *testing.T) {
	message := func(length int) []byte {
		return append([]byte{0, 1, byte(length >> 8), byte(length)}, make([]byte, 16+length)...)
	}
	data := func(length, padded int) []byte {
		return append([]byte{0x40, 0, byte(length >> 8), byte(length)}, make([]byte, padded)...)
	}
	all := [][]byte{message(0), data(0, 0), data(1, 4), message(8), data(4, 4), data(1200, 1200), message(1580), data(5, 8)}
	for size := 1; size < 1700; size = size*2 + 1 {
		var r messageReader
		var stream []byte
		var end []int
		for _, m := range all {
			stream = append(stream, m...)
			end = append(end, len(stream))
		}
		for at := 0; at < len(stream); at += size {
			piece := stream[at:min(at+size, len(stream))]
			want := false
			for _, e := range end {
				want = want || at < e && e <= at+len(piece)
			}
			whole, err := r.read(piece, 1600)
			if whole != want || err != nil {
				t.Fatalf("in pieces of %d, at byte %d: %v, %v; want %v", size, at, whole, err, want)
			}
		}
	}
	for name, row := range map[string]struct {
		sent []byte
		want error
	}{
		"a long message": {message(1584), errTooLong}, "long data": {data(1597, 1600), errTooLong}, "a lie": {[]byte{0x40, 0, 255, 255}, errTooLong},
		"DTLS": {[]byte{22, 254, 255, 0}, errNotSTUN}, "RTP": {[]byte{128, 0, 0, 1}, errNotSTUN}, "HTTP": {[]byte("POST /"), errNotSTUN}, "GET": {[]byte("GET / "), errTooLong},
	} {
		if _, err := new(messageReader).read(row.sent, 1600); err != row.want {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

// A client without credentials must not make the server keep more than the longest message that it takes.
func TestAMessageThatIsTooLongIsNotWaitedFor(t *testing.T) {
	o := DefaultOptions()
	o.Public, o.Listen, o.Secret, o.Logger = []netip.Addr{netip.MustParseAddr("127.0.0.1")}, "127.0.0.1:0", []byte("secret"), slog.New(slog.DiscardHandler)
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, header := range map[string][]byte{"STUN": {0, 1, 255, 252}, "data": {0x40, 0, 255, 252}} {
		client, server := net.Pipe()
		s.ServeConn(from{server, 1, nil})
		_ = client.SetDeadline(time.Now().Add(5 * time.Second))
		sent := 0
		for _, b := range slices.Concat(header, []byte{0x21, 0x12, 0xa4, 0x42}, make([]byte, 65000)) {
			if _, err := client.Write([]byte{b}); err != nil {
				break
			}
			sent++
		}
		if sent > len(header) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			t.Errorf("%s: %d bytes were taken of a message that is too long; stacks take %d KB", name, sent, m.StackInuse>>10)
		}
		_ = client.Close()
	}
}
