package routes

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMessagesAreReceivedInOrderWithTheirOutcomes(t *testing.T) {
	const senders, each = 8, 2000
	last := make([]int, senders)
	c := config("b")
	c.Receive = func(_ Address, body []byte) Outcome {
		if len(body) == 0 {
			return Accepted
		}
		text, _, _ := strings.Cut(string(body), " ")
		sender, number, _ := strings.Cut(text, ":")
		s, _ := strconv.Atoi(sender)
		n, _ := strconv.Atoi(number)
		if n != last[s]+1 {
			t.Errorf("of sender %d, message %d came after %d", s, n, last[s])
		}
		last[s] = n
		return Outcome(n % 3)
	}
	b := start(t, c)
	a := start(t, config("a", b.Listening()))
	together(t, a, b)
	told := newTally(senders * each)
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for n := range each {
				a.Send(b.Address(), fmt.Appendf(nil, "%d:%d %s", s, n+1, strings.Repeat("x", n%700)), told)
			}
		})
	}
	all.Wait()
	counts := told.wait(t, 20*time.Second)
	if counts[Accepted]+counts[Gone]+counts[Refused] != senders*each || counts[Gone] != senders*667 || counts[Refused] != senders*667 {
		t.Errorf("the outcomes are %v", counts)
	}
}

func TestAnAddressThatNobodyHasIsToldAtOnce(t *testing.T) {
	withoutTimeout := config("a")
	withoutTimeout.Timeout = time.Hour
	a := start(t, withoutTimeout)
	b, err := Start(config("b", a.Listening()))
	if err != nil {
		t.Fatal(err)
	}
	together(t, a, b)
	leave(t, b)
	if o := send(a, b.Address(), "hello"); o != NoNode && o != Lost { // it may have been sent before the end of b was known
		t.Errorf("a message to a node that has just left ended with %v", o)
	}
	for _, address := range []Address{b.Address(), "nobody-" + Address(rand.Text()), "", "a b", "x.>", "*", "a-", Address(strings.Repeat("a", 5000))} {
		if o := send(a, address, "hello"); o != NoNode {
			t.Errorf("a message to %.20q ended with %v", address, o)
		}
	}
}

func TestAProcessReachesItself(t *testing.T) {
	a := start(t, config("a"))
	if o := send(a, a.Address(), "hello"); o != Accepted {
		t.Errorf("the outcome is %v", o)
	}
}

func TestNodesComeUpInAnyOrder(t *testing.T) {
	listeners, addresses := make([]net.Listener, 3), make([]string, 3)
	for i := range listeners {
		host := "127.0.0.1"
		if runtime.GOOS == "linux" { // an address of this test alone, so that nobody takes the port before it is opened again
			host = fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(254), mathrand.IntN(256), 1+mathrand.IntN(254))
		}
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], addresses[i] = l, l.Addr().String()
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	var nodes []*Routes
	for i, address := range addresses {
		c := config("n"+strconv.Itoa(i), addresses...) // a node is among its own peers
		c.Listen = address
		nodes = append(nodes, start(t, c))
	}
	together(t, nodes...)
	if n := nodes[0].Figures().Routes; n != 2 {
		t.Errorf("%d routes are up, want 2", n)
	}
}

func TestNodesTellEachOtherOfNodes(t *testing.T) {
	a := start(t, config("a"))
	b := start(t, config("b", a.Listening()))
	c := config("c", a.Listening())
	c.Advertise = ""
	third := start(t, c)
	together(t, a, b, third)
}

func TestALongMessageIsCarriedAndATooLongOneRefused(t *testing.T) {
	got := make(chan []byte, 1)
	c := config("b")
	c.Receive = func(_ Address, body []byte) Outcome {
		got <- bytes.Clone(body)
		return Accepted
	}
	b := start(t, c)
	a := start(t, config("a", b.Listening()))
	reach(t, a, b.Address())
	<-got
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, MaxBody} {
		body := bytes.Repeat([]byte{'x', 'y', 'z'}, size/3+1)[:size]
		if o := send(a, b.Address(), string(body)); o != Accepted || !bytes.Equal(<-got, body) {
			t.Errorf("a message of %d bytes ended with %v", size, o)
		}
	}
	if o := send(a, b.Address(), strings.Repeat("x", MaxBody+1)); o != Closed {
		t.Errorf("a message that is too long ended with %v", o)
	}
}

func TestAReceiverThatPanicsHarmsNobody(t *testing.T) {
	c := config("b")
	var log bytes.Buffer
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.Receive = func(_ Address, body []byte) Outcome {
		if string(body) == "secret" {
			panic("as the test wants")
		}
		return Accepted
	}
	b, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, config("a", b.Listening()))
	together(t, a, b)
	if o := send(a, b.Address(), "secret"); o != Lost {
		t.Errorf("the outcome is %v", o)
	}
	if o := send(a, b.Address(), "next"); o != Accepted {
		t.Errorf("the outcome of the next is %v", o)
	}
	leave(t, b)
	if !strings.Contains(log.String(), "as the test wants") || strings.Contains(log.String(), "secret") {
		t.Errorf("the log is %s", &log)
	}
}

func TestBroadcastsReachAllOthersInOrder(t *testing.T) {
	const count = 5000
	var nodes []*Routes
	done := make(chan string, 2)
	for i := range 3 {
		var peers []string
		if i > 0 {
			peers = append(peers, nodes[0].Listening())
		}
		c := config("n"+strconv.Itoa(i), peers...)
		next := 0
		c.Hear = func(from Address, body []byte) {
			if i == 0 {
				t.Error("a node has heard itself")
			}
			if n, _ := strconv.Atoi(string(body)); n != next {
				t.Errorf("node %d heard %d, want %d", i, n, next)
			}
			if next++; next == count {
				done <- c.Node
			}
		}
		nodes = append(nodes, start(t, c))
	}
	together(t, nodes...)
	for n := range count {
		if !nodes[0].Broadcast([]byte(strconv.Itoa(n))) {
			t.Fatal("a broadcast was not sent")
		}
	}
	for range 2 {
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("broadcasts are missing")
		}
	}
}

func TestCloseDrains(t *testing.T) {
	var mu sync.Mutex
	received := 0
	c := config("b")
	c.Receive = func(Address, []byte) Outcome {
		mu.Lock()
		defer mu.Unlock()
		received++
		return Accepted
	}
	b := start(t, c)
	a, err := Start(config("a", b.Listening()))
	if err != nil {
		t.Fatal(err)
	}
	together(t, a, b)
	mu.Lock()
	received = 0
	mu.Unlock()
	const count = 20_000
	told := newTally(count)
	for range count {
		a.Send(b.Address(), make([]byte, 300), told)
	}
	leave(t, a)
	mu.Lock()
	defer mu.Unlock()
	if counts := told.wait(t, time.Second); counts[Accepted] != count || received != count {
		t.Errorf("%d were received, and the outcomes are %v", received, counts)
	}
	if o := send(a, b.Address(), ""); o != Closed {
		t.Errorf("a message after the end ended with %v", o)
	}
	if a.Broadcast(nil) {
		t.Error("a broadcast was sent after the end")
	}
}

func TestCloseEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	c := config("b")
	c.Receive = func(_ Address, body []byte) Outcome {
		if len(body) > 0 {
			<-release
		}
		return Accepted
	}
	b := start(t, c)
	a, err := Start(config("a", b.Listening()))
	if err != nil {
		t.Fatal(err)
	}
	together(t, a, b)
	told := newTally(1)
	a.Send(b.Address(), []byte("stop"), told)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := a.Close(ctx); err == nil {
		t.Error("Close has returned no error")
	}
	close(release)
	if counts := told.wait(t, time.Second); counts[Lost] != 1 {
		t.Errorf("the outcomes are %v", counts)
	}
}

// Who learns that a message does not wait may send another one, also while Close waits for the first to return.
func TestARefusedMessageMaySendAnotherOneWhileTheNodeLeaves(t *testing.T) {
	a, err := Start(config("a"))
	if err != nil {
		t.Fatal(err)
	}
	closed, told := make(chan error, 1), make(chan Outcome, 1)
	leaving := func() bool {
		if !a.leaving.TryRLock() {
			return true
		}
		defer a.leaving.RUnlock()
		return a.closed
	}
	go a.Send(a.Address(), make([]byte, MaxBody+1), ReceiptFunc(func(Outcome) {
		go func() { closed <- a.Close(context.Background()) }()
		for !leaving() {
			runtime.Gosched()
		}
		a.Send(a.Address(), make([]byte, MaxBody+1), ReceiptFunc(func(o Outcome) { told <- o }))
	}))
	hangs := time.After(20 * time.Second)
	select {
	case o := <-told:
		if o != Closed {
			t.Errorf("the second message ended with %v", o)
		}
	case <-hangs:
		t.Fatal("the second message has no outcome")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestTheEndOfANodeIsToldLongBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	c := config("a")
	c.Timeout = time.Hour
	a := start(t, c)
	for range 3 {
		c := startChild(t, a.Listening())
		reach(t, a, c.address)
		told := newTally(1000)
		for range 500 {
			a.Send(c.address, make([]byte, 300), told)
		}
		if err := c.process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range 500 {
			a.Send(c.address, make([]byte, 300), told)
		}
		before := time.Now()
		counts := told.wait(t, 20*time.Second)
		t.Logf("after %v the outcomes are %v", time.Since(before), counts)
		if counts[Accepted]+counts[Lost]+counts[NoNode] != 1000 {
			t.Errorf("the outcomes are %v", counts)
		}
	}
}

// TestGarbageOnThePortHarmsNothing also tries what other clusters and other protocols would send.
func TestGarbageOnThePortHarmsNothing(t *testing.T) {
	t.Parallel()
	log := newFaultLog()
	c := config("a")
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	a := start(t, c)
	b := start(t, config("b", a.Listening()))
	together(t, a, b)
	random := make([]byte, 100_000)
	_, _ = rand.Read(random)
	for _, garbage := range [][]byte{
		nil, []byte("\r\n"), random, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("RMSG $G secret 5\r\nhello\r\n"),
		[]byte("CONNECT {}\r\nRMSG $G to." + string(a.Address()) + " 5\r\nhello\r\n"), []byte(`CONNECT {"user":"node","pass":"x"}` + "\r\n"),
		[]byte(strings.Repeat("A", 1<<20)), []byte("RS+ $G >\r\n"), []byte("INFO {\r\n"), []byte("\x16\x03\x01\x02\x00\x01\x00"),
	} {
		conn, err := net.Dial("tcp", a.Listening())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(garbage)
		_ = conn.Close()
	}
	for name, change := range map[string]func(*Config){
		"secret": func(c *Config) { c.Secret = "another" }, "cluster": func(c *Config) { c.Cluster = "another" },
	} {
		c := config("stranger", a.Listening())
		change(&c)
		refused(t, "another "+name, log, c, a)
	}
	together(t, a, b)
	if text := log.text(); strings.Contains(text, "hello") || strings.Contains(text, "secret") || strings.Contains(text, "AAAA") {
		t.Errorf("the log has what was sent: %s", text)
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	taken := start(t, config("a"))
	for want, change := range map[string]func(*Config){
		"the name of a node":              func(c *Config) { c.Node = "a.b" },
		"the name of a cluster":           func(c *Config) { c.Cluster = "" },
		"need certificates":               func(c *Config) { c.Insecure = false },
		"the address to listen on":        func(c *Config) { c.Listen = "here" },
		"is not a number from 0 to 65535": func(c *Config) { c.Listen = "127.0.0.1:70000" },
		"the address of another node":     func(c *Config) { c.Peers = []string{"10.0.0.1"} },
		"bind: address already in use":    func(c *Config) { c.Listen = taken.Listening() },
		"are to use none":                 func(c *Config) { c.Identity = new(Identity) },
	} {
		c := config("b")
		change(&c)
		r, err := Start(c)
		if err == nil {
			leave(t, r)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}
