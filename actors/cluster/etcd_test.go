package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// startEtcd runs etcd and returns its URL. It builds etcd, which takes a while, so it needs P2P_TEST_LONG, or P2P_TEST_ETCD, which
// names the program.
func startEtcd(t testing.TB) string {
	t.Helper()
	program := os.Getenv("P2P_TEST_ETCD")
	if program == "" {
		if os.Getenv("P2P_TEST_LONG") == "" {
			t.Skip("this needs etcd: set P2P_TEST_LONG=1 to build it")
		}
		program = filepath.Join(t.TempDir(), "etcd")
		if out, err := exec.Command("go", "build", "-C", "etcdtest", "-o", program, ".").CombinedOutput(); err != nil {
			t.Fatalf("building etcd: %v\n%s", err, out)
		}
	}
	client, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	command := exec.Command(program, "--data-dir", t.TempDir(), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--log-level", "error", "--unsafe-no-fsync")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return client
}

// freeAddress returns an address at which nobody listens. On Linux its host is one that nobody else uses, so that nobody takes the port
// before it is opened again.
func freeAddress(t testing.TB) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// testNode is a node in this process.
type testNode struct {
	*actors.System
	cluster *Cluster
}

// startNodes starts nodes that share etcd.
func startNodes(t testing.TB, etcd string, count int) []*testNode {
	t.Helper()
	addresses := make([]string, count)
	for i := range addresses {
		addresses[i] = freeAddress(t)
	}
	nodes := make([]*testNode, count)
	for i := range nodes {
		logger := slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", i)
		c, err := Open(t.Context(), Options{Etcd: []string{etcd}, LeaseTTL: MinLeaseTTL, Logger: logger, Routes: routes.Config{
			Cluster: "test", Node: fmt.Sprint("n", i), Listen: addresses[i], Peers: addresses, Insecure: true,
		}})
		if err != nil {
			t.Fatal(err)
		}
		s := actors.NewSystem(actors.Options{Logger: logger, Cluster: c, ResumeWindow: 30 * time.Second})
		if err := c.Start(s); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = s.Stop(context.Background())
			c.Close()
		})
		nodes[i] = &testNode{s, c}
	}
	for _, n := range nodes {
		waitFor(t, "the nodes know each other", func() bool { return n.cluster.Figures().Routes.Routes == count-1 })
	}
	return nodes
}

func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 20 s it does not hold that %s", what)
		}
	}
}

// client is a connection to a node.
type client struct {
	*actors.Connection
	mu      sync.Mutex
	changed *sync.Cond
	texts   []string
	taken   int
	closed  messages.CloseCode
	resumed int
}

func (n *testNode) connect() *client {
	c := &client{}
	c.changed = sync.NewCond(&c.mu)
	c.Connection = n.Connect(c)
	return c
}

func (c *client) Send(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != 0 {
		return false
	}
	c.texts = append(c.texts, string(text))
	c.changed.Broadcast()
	return true
}

func (c *client) Close(code messages.CloseCode, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == 0 {
		c.closed = code
	}
	c.changed.Broadcast()
}

func (c *client) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed++
	c.changed.Broadcast()
}

func (c *client) Deliver(m *messages.Deliver) bool { return c.Send(m.Text) }
func (c *client) Waiting() int                     { return 0 }
func (c *client) Address() uint64                  { return 0 }
func (c *client) LoggedIn()                        {}
func (c *client) Admit(bool) bool                  { return true }
func (c *client) Exhausted() bool                  { return false }
func (c *client) CountLogin()                      {}
func (c *client) Charge(int)                       {}
func (c *client) Ping()                            {}
func (c *client) Abandon()                         { c.Close(messages.CloseTakenOver, "") }

// send sends a text to the service, and waits while the next must wait.
func (c *client) send(t *testing.T, text string) {
	t.Helper()
	m, err := messages.NewRelay([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if c.Receive(m) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.resumed == 0 {
		c.changed.Wait()
	}
	c.resumed--
}

func (c *client) next(t *testing.T) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	giveUp := time.AfterFunc(20*time.Second, c.changed.Broadcast)
	defer giveUp.Stop()
	for start := time.Now(); c.taken == len(c.texts); c.changed.Wait() {
		if c.closed != 0 || time.Since(start) > 19*time.Second {
			t.Fatalf("no text came; the connection was closed with %d", c.closed)
		}
	}
	c.taken++
	return c.texts[c.taken-1]
}

// unread returns the texts that next has not returned yet.
func (c *client) unread() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts[c.taken:])
}

// login logs in at a node and returns the reply.
func (n *testNode) login(t *testing.T, login, members string) (*client, string) {
	t.Helper()
	c := n.connect()
	c.send(t, fmt.Sprintf(`{"type":"login","login":%q%s}`, login, members))
	return c, c.next(t)
}

const accepted = `{"type":"login","success":true}`

func TestNodesShareLogins(t *testing.T) {
	nodes := startNodes(t, startEtcd(t), 3)
	alice, reply := nodes[0].login(t, "alice", "")
	if reply != accepted {
		t.Fatalf("a login was answered with %s", reply)
	}
	if _, reply := nodes[1].login(t, "Alice", ""); !strings.Contains(reply, "login-taken") {
		t.Errorf("a login of another node was answered with %s", reply)
	}
	bob, reply := nodes[1].login(t, "bob", "")
	if reply != accepted {
		t.Fatalf("a login was answered with %s", reply)
	}
	for i := range 1000 {
		text := fmt.Sprintf(`{"type":"offer","offer":%d,"from":"alice","to":"bob"}`, i)
		alice.send(t, text)
		if got := bob.next(t); got != text {
			t.Fatalf("got %s, want %s", got, text)
		}
	}
	alice.send(t, `{"type":"offer","offer":0,"from":"alice","to":"nobody"}`)
	if got := alice.next(t); !strings.Contains(got, "peer-unavailable") {
		t.Errorf("a message to nobody was answered with %s", got)
	}
	// bob moves: the first message that goes to the old node finds him all the same.
	bob.send(t, `{"type":"logout","login":"bob"}`)
	bob, reply = nodes[2].login(t, "bob", "")
	if reply != accepted {
		t.Fatalf("a login that was given up was answered with %s", reply)
	}
	for i := range 100 {
		alice.send(t, fmt.Sprintf(`{"type":"offer","offer":%d,"from":"alice","to":"bob"}`, i))
	}
	for i := range 100 {
		if got, want := bob.next(t), fmt.Sprintf(`{"type":"offer","offer":%d,"from":"alice","to":"bob"}`, i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	waitFor(t, "all messages are settled", func() bool { return nodes[0].cluster.Figures().Unsettled == 0 })
	bob.Closed(false)
	alice.send(t, `{"type":"offer","offer":0,"from":"alice","to":"bob"}`)
	if got := alice.next(t); !strings.Contains(got, "peer-unavailable") {
		t.Errorf("a message to somebody who has left was answered with %s", got)
	}
}

// Many long keys at once are more than etcd takes in one request.
func TestManyLongKeysAreClaimed(t *testing.T) {
	node := startNodes(t, startEtcd(t), 1)[0]
	outcomes := make(chan actors.Claimed, 2*batch)
	for i := range 2 * batch {
		key := messages.PeerKey(strings.Repeat("x", 20<<10) + fmt.Sprint(i))
		node.cluster.Claim(key, nil, func(c actors.Claimed, _ *actors.Moved) { outcomes <- c })
	}
	for range 2 * batch {
		if c := <-outcomes; c != actors.Granted {
			t.Fatalf("a claim ended with %d", c)
		}
	}
	if retries := node.cluster.Figures().Retries; retries > 0 {
		t.Errorf("%d operations were done again, want none", retries)
	}
}

// A session moves between nodes while messages go to it. They arrive in their order. If one was overtaken where the session was before, its
// sender is told instead.
func TestASessionMovesOverEtcdAndRoutes(t *testing.T) {
	nodes := startNodes(t, startEtcd(t), 3)
	alice, _ := nodes[0].login(t, "alice", "")
	_, text := nodes[1].login(t, "bob", `,"keep":true,"resume":"the-first-secret-of-all"`)
	number := 0
	for move := range 20 {
		var reply kept
		if err := json.Unmarshal([]byte(text), &reply); err != nil || !reply.Success || move > 0 && !*reply.Resumed {
			t.Fatalf("move %d was answered with %s", move, text)
		}
		for range 5 {
			alice.send(t, offer("alice", "bob", number))
			number++
		}
		var bob *client
		bob, text = nodes[move%3].login(t, "bob", fmt.Sprintf(`,"keep":true,"resume":%q,"received":0`, reply.Resume))
		if !strings.Contains(text, `"resumed":true`) {
			t.Fatalf("move %d was answered with %s", move, text)
		}
		waitFor(t, "each message has arrived, or alice was told that it has not", func() bool {
			return len(bob.unread()) == number-len(alice.unread())
		})
		sent := 0
		for range bob.unread() {
			got := bob.next(t)
			for sent < number && got != offer("alice", "bob", sent) {
				sent++
			}
			if sent == number {
				t.Fatalf("%s came behind a later message, or twice", got)
			}
			sent++
		}
		bob.send(t, `{"type":"ping"}`) // shows the secret
		bob.wantNext(t, "pong")
	}
	for _, told := range alice.unread() {
		if !strings.Contains(told, `"code":"peer-unavailable"`) {
			t.Errorf("alice was told %s", told)
		}
	}
	waitFor(t, "nothing is waited for but what is not confirmed", func() bool {
		return nodes[0].cluster.Figures().Unsettled == number-len(alice.unread())
	})
}

// This measures claims, many of which are in flight.
func BenchmarkClaim(b *testing.B) {
	node := startNodes(b, startEtcd(b), 1)[0]
	granted := make(chan actors.Claimed, 1024)
	next := 0
	for b.Loop() {
		for range cap(granted) {
			node.cluster.Claim(fmt.Sprint("login", next), nil, func(c actors.Claimed, _ *actors.Moved) { granted <- c })
			next++
		}
		for range cap(granted) {
			if c := <-granted; c != actors.Granted {
				b.Fatalf("a claim ended with %d", c)
			}
		}
	}
	b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "claims/s")
}
