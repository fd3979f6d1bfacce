package routes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// nodeVariable names the environment variable that makes the test's program a node with the peers in it.
const nodeVariable = "ROUTES_TEST_PEERS"

func TestMain(m *testing.M) {
	if peers := os.Getenv(nodeVariable); peers != "" {
		if err := runNode(strings.Split(peers, ",")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// runNode is a node in a process of its own. It accepts everything, and ends when its standard input does.
func runNode(peers []string) error {
	r, err := Start(Config{
		Cluster: "test", Node: "child", Listen: "127.0.0.1:0", Peers: peers, Insecure: true, Logger: slog.New(slog.DiscardHandler),
		Receive: func(Address, []byte) Outcome { return Accepted },
	})
	if err != nil {
		return err
	}
	fmt.Println(r.Address())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, r.Close(context.Background()))
}

// child is a node in another process.
type child struct {
	address Address
	process *os.Process
}

func startChild(t *testing.T, peers ...string) child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), nodeVariable+"="+strings.Join(peers, ","))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = in.Close()
		_ = c.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return child{address: Address(strings.TrimSpace(address)), process: c.Process}
}

// config is the configuration of a node that accepts everything.
func config(name string, peers ...string) Config {
	return Config{
		Cluster: "test", Node: name, Listen: "127.0.0.1:0", Peers: peers, Insecure: true, Logger: slog.New(slog.DiscardHandler),
		Receive: func(Address, []byte) Outcome { return Accepted },
	}
}

func start(t testing.TB, c Config) *Routes {
	t.Helper()
	r, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leave(t, r) })
	return r
}

// leave closes a node that may be closed already.
func leave(t testing.TB, r *Routes) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// send returns the outcome of one message.
func send(r *Routes, to Address, body string) Outcome {
	outcome := make(chan Outcome, 1)
	r.Send(to, []byte(body), ReceiptFunc(func(o Outcome) { outcome <- o }))
	return <-outcome
}

// reach waits until messages from a reach b.
func reach(t testing.TB, a *Routes, b Address) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		o := send(a, b, "")
		if o == Accepted {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("messages from %s to %s end with %v", a.Address(), b, o)
		}
		time.Sleep(time.Millisecond)
	}
}

// together waits until all nodes reach each other.
func together(t testing.TB, nodes ...*Routes) {
	t.Helper()
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				reach(t, a, b.Address())
			}
		}
	}
}

// tally counts outcomes.
type tally struct {
	mu     sync.Mutex
	counts [Closed + 1]int
	left   int
	done   chan struct{}
}

// newTally returns a tally whose channel done is closed when a number of outcomes is known.
func newTally(expected int) *tally { return &tally{left: expected, done: make(chan struct{})} }

func (l *tally) Done(o Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[o]++
	if l.left--; l.left == 0 {
		close(l.done)
	}
}

func (l *tally) wait(t testing.TB, most time.Duration) [Closed + 1]int {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(most):
		l.mu.Lock()
		defer l.mu.Unlock()
		t.Fatalf("after %v, %d outcomes are unknown", most, l.left)
	}
	return l.counts
}

// faultLog is a log in which a test waits for lines.
type faultLog struct {
	mu   sync.Mutex
	b    bytes.Buffer
	line chan struct{} // has a value after a line was written
}

func newFaultLog() *faultLog { return &faultLog{line: make(chan struct{}, 1)} }

func (l *faultLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.line <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *faultLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// refused checks that a node which has a as its peer is not connected to it. The log of a, or that of the node, says so. It returns the node.
func refused(t *testing.T, why string, log *faultLog, c Config, a *Routes) *Routes {
	t.Helper()
	select {
	case <-log.line:
	default:
	}
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	stranger := start(t, c)
	select {
	case <-log.line:
	case <-time.After(20 * time.Second):
		t.Errorf("%s: nobody has noticed", why)
	}
	if o := send(stranger, a.Address(), "hello"); o != NoNode {
		t.Errorf("%s: a message ended with %v", why, o)
	}
	return stranger
}
