package routes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// network stands for the NATS servers of all nodes. It loses and delays what the test wants.
type network struct {
	mu    sync.Mutex
	nodes map[string]*Routes
	wires map[string]chan carried // by sender and subject: one after another, as on a route
	down  bool                    // nobody is reached, and senders are told
	held  chan struct{}           // if not nil, batches wait until it is closed, as those for a frozen process do
	lose  func() bool             // a batch is lost in silence
	late  func() bool             // a batch is overtaken by the next one, as when a route is replaced by another
	delay func() time.Duration
}

// carried is what a network carries: a batch, or word that nobody got one.
type carried struct {
	subject string
	data    []byte
}

func newNetwork() *network {
	never := func() bool { return false }
	return &network{nodes: make(map[string]*Routes), wires: make(map[string]chan carried), lose: never, late: never, delay: func() time.Duration { return 0 }}
}

// end is the connection of one node to the network.
type end struct {
	network *network
	node    *Routes
}

func (n *network) join(c Config) *Routes {
	c.Logger = slog.New(slog.DiscardHandler)
	r := newRoutes(c)
	r.engine = end{network: n, node: r}
	n.nodes[subject(r.address)] = r
	return r
}

// leave ends the process of a node, as a kill does.
func (n *network) leave(r *Routes) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, subject(r.address))
}

func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.wires {
		close(w)
	}
}

func (e end) Publish(subject string, data []byte) error { return e.PublishRequest(subject, "", data) }

func (e end) PublishRequest(to, reply string, data []byte) error {
	n := e.network
	n.mu.Lock()
	defer n.mu.Unlock()
	target := n.nodes[to]
	if target == nil || n.down {
		if reply != "" {
			n.wire("back " + string(e.node.address)) <- carried{subject: reply}
		}
		return nil
	}
	if n.lose() {
		return nil
	}
	n.wire(to) <- carried{subject: to, data: append([]byte(nil), data...)}
	return nil
}

// wire returns the channel to a node. It has one goroutine, which receives in order.
func (n *network) wire(name string) chan carried {
	w := n.wires[name]
	if w == nil {
		w = make(chan carried, 100_000)
		n.wires[name] = w
		go n.carry(name, w)
	}
	return w
}

// carry gives what comes on a wire to the node that it is for.
func (n *network) carry(name string, wire <-chan carried) {
	sender, back := strings.CutPrefix(name, "back ")
	var overtaken *carried
	for m := range wire {
		time.Sleep(n.delay())
		n.mu.Lock()
		held := n.held
		n.mu.Unlock()
		if held != nil && !back {
			<-held
		}
		if !back && overtaken == nil && n.late() {
			overtaken = &m
			continue
		}
		n.mu.Lock()
		target := n.nodes[m.subject]
		if back {
			target = n.nodes[subject(Address(sender))]
		}
		n.mu.Unlock()
		if target == nil { // it was killed while the batch was on its way
			continue
		}
		if back {
			target.notReached(m.subject)
			continue
		}
		target.receive(m.data)
		if overtaken != nil {
			target.receive(overtaken.data)
			overtaken = nil
		}
	}
}

// ledger notes what became of each message of one direction.
type ledger struct {
	t        *testing.T
	mu       sync.Mutex
	received map[uint64]Outcome // what the receiver returned
	last     uint64
	told     map[uint64]Outcome
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, received: make(map[uint64]Outcome), told: make(map[uint64]Outcome)}
}

func (l *ledger) receive(_ Address, body []byte) Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := binary.BigEndian.Uint64(body)
	if n <= l.last {
		l.t.Errorf("message %d was received after %d", n, l.last)
	}
	outcome := Outcome(n % 16)
	if outcome > Refused {
		outcome = Accepted
	}
	l.last, l.received[n] = n, outcome
	return outcome
}

func (l *ledger) send(r *Routes, to Address, n uint64, size int) {
	body := make([]byte, 8+size)
	binary.BigEndian.PutUint64(body, n)
	r.Send(to, body, ReceiptFunc(func(o Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if before, ok := l.told[n]; ok {
			l.t.Errorf("message %d was told twice: %v, then %v", n, before, o)
		}
		l.told[n] = o
	}))
}

// outcome returns what was told of a message, and Closed if nothing was.
func (l *ledger) outcome(n uint64) Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.told[n]; ok {
		return o
	}
	return Closed
}

// known returns how many outcomes are known.
func (l *ledger) known() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.told)
}

// check checks the outcomes of the messages 1 to n.
func (l *ledger) check(n uint64) (byOutcome map[Outcome]int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	byOutcome = make(map[Outcome]int)
	for i := uint64(1); i <= n; i++ {
		told, ok := l.told[i]
		returned, received := l.received[i]
		switch {
		case !ok:
			l.t.Errorf("nobody was told what became of message %d", i)
		case told <= Refused && (!received || returned != told):
			l.t.Errorf("message %d: told %v, received %v, the receiver answered %v", i, told, received, returned)
		case told > Refused && told != Lost && received:
			l.t.Errorf("message %d: told %v, but it was received", i, told)
		}
		byOutcome[told]++
	}
	return byOutcome
}

// TestEachMessageHasOneTrueOutcome sends both ways over networks that lose, delay and break, and checks each outcome against what was received.
func TestEachMessageHasOneTrueOutcome(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				n := newNetwork()
				defer n.close()
				var mu sync.Mutex // of random
				chance := func(of int) bool {
					mu.Lock()
					defer mu.Unlock()
					return random.IntN(of) == 0
				}
				var lossy atomic.Bool
				lossy.Store(seed%3 == 1)
				slow := seed%2 == 1
				n.lose = func() bool { return lossy.Load() && chance(10) }
				n.late = func() bool { return lossy.Load() && chance(30) }
				n.delay = func() time.Duration {
					if slow && chance(50) {
						return 100 * time.Millisecond
					}
					return 0
				}
				there, back := newLedger(t), newLedger(t)
				a, b := n.join(Config{Node: "a", Receive: back.receive}), n.join(Config{Node: "b", Receive: there.receive})
				const count = 3000
				for i := uint64(1); i <= count; i++ {
					there.send(a, b.address, i, int(i%300))
					if i%3 == 0 {
						back.send(b, a.address, i/3, 20)
					}
					if chance(100) {
						time.Sleep(time.Millisecond << (i % 8))
					}
					if seed%5 == 4 && chance(400) {
						n.mu.Lock()
						n.down = !n.down
						n.mu.Unlock()
					}
				}
				n.mu.Lock()
				n.down = false
				lossy.Store(false)
				n.mu.Unlock()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				outcomes := there.check(count)
				back.check(count / 3)
				if outcomes[Accepted] == 0 || outcomes[Gone] == 0 || outcomes[Refused] == 0 {
					t.Errorf("the outcomes are %v, want some of each that a receiver can give", outcomes)
				}
				for _, r := range []*Routes{a, b} {
					if waits := r.waits(); waits != 0 {
						t.Errorf("%d bytes still wait", waits)
					}
				}
				there.send(a, b.address, count+1, 0)
				time.Sleep(time.Second)
				synctest.Wait()
				if o := there.outcome(count + 1); o != Accepted && o != Gone && o != Refused {
					t.Errorf("the network is whole again, but a message ended with %v", o)
				}
			})
		})
	}
}

// fits returns how many messages of a ledger may wait for one address.
func fits(size int) (count int) {
	m := &copied{body: bytes.Clone(make([]byte, size+8))}
	var w waiting
	for ; w.takes(m.Size()+perMessage, m.Memory()+perMessage); count++ {
		w.put(m, m.Size()+perMessage, m.Memory()+perMessage)
	}
	return count
}

func TestAFrozenProcessTakesBoundedMemoryAndIsToldAsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		defer n.close()
		there := newLedger(t)
		a, b := n.join(Config{Node: "a"}), n.join(Config{Node: "b", Receive: there.receive})
		thaw := make(chan struct{})
		n.held = thaw
		const size, count = 64 << 10, 400
		for i := uint64(1); i <= count; i++ {
			there.send(a, b.address, i, size)
		}
		if waits := a.waits(); waits > MaxWaiting {
			t.Errorf("%d bytes wait", waits)
		}
		time.Sleep(a.config.Timeout - time.Millisecond)
		synctest.Wait()
		sent := fits(size)
		if known := there.known(); known != count-sent {
			t.Errorf("%d outcomes are known before the timeout, want %d", known, count-sent)
		}
		time.Sleep(2 * tick)
		synctest.Wait()
		there.send(a, b.address, count+1, size)
		if o := there.outcome(count + 1); o != Silent {
			t.Errorf("a message to a process that does not answer ended with %v", o)
		}
		asked := a.counts.published.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		if asked = a.counts.published.Load() - asked; asked > 65 {
			t.Errorf("a process that does not answer was asked %d times in a minute", asked)
		}
		n.mu.Lock()
		n.held = nil
		n.mu.Unlock()
		close(thaw)
		synctest.Wait()
		time.Sleep(time.Second)
		there.send(a, b.address, count+2, size)
		time.Sleep(time.Second)
		synctest.Wait()
		if o := there.outcome(count + 2); o > Refused {
			t.Errorf("a message to the process that answers again ended with %v", o)
		}
		outcomes := there.check(count)
		published := maxOnItsWay / (size + 8 + perMessage)
		if outcomes[Lost] != published || outcomes[Silent] != sent-published || outcomes[Overloaded] != count-sent {
			t.Errorf("the outcomes are %v", outcomes)
		}
		if waits := a.waits(); waits != 0 {
			t.Errorf("%d bytes still wait", waits)
		}
	})
}

// TestWhatWaitsGoesOutWhenThePeerAnswers has more wait for a process than may be on its way, in messages of all sizes.
func TestWhatWaitsGoesOutWhenThePeerAnswers(t *testing.T) {
	for _, size := range []int{300, 64 << 10, 700 << 10, maxOnItsWay + 1, MaxBody - 8} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			defer n.close()
			there := newLedger(t)
			a, b := n.join(Config{Node: "a"}), n.join(Config{Node: "b", Receive: there.receive})
			thaw := make(chan struct{})
			n.held = thaw
			count := uint64(fits(size))
			for i := uint64(1); i <= count; i++ {
				there.send(a, b.address, i, size)
			}
			synctest.Wait()
			onItsWay := 0
			for _, w := range n.wires {
				for range len(w) {
					m := <-w
					onItsWay += len(m.data)
					w <- m
				}
			}
			if onItsWay > max(maxOnItsWay, size+headRoom) {
				t.Errorf("messages of %d bytes: %d bytes are on their way", size, onItsWay)
			}
			n.mu.Lock()
			n.held = nil
			n.mu.Unlock()
			close(thaw)
			time.Sleep(a.config.Timeout / 2)
			synctest.Wait()
			if outcomes := there.check(count); outcomes[Lost]+outcomes[Silent]+outcomes[Overloaded] > 0 {
				t.Errorf("messages of %d bytes: the outcomes are %v", size, outcomes)
			}
			if waits := a.waits(); waits != 0 {
				t.Errorf("messages of %d bytes: %d bytes still wait", size, waits)
			}
		})
	}
}

func TestPeersThatAreIdleAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		defer n.close()
		there := newLedger(t)
		a, b := n.join(Config{Node: "a"}), n.join(Config{Node: "b", Receive: there.receive})
		for i := uint64(1); i <= 5; i++ { // the two forget each other at different times
			there.send(a, b.address, i, 10)
			time.Sleep(time.Second)
			synctest.Wait()
			if o := there.outcome(i); o > Refused {
				t.Fatalf("message %d ended with %v", i, o)
			}
			time.Sleep(2 * keepPeer)
			[]*Routes{a, b}[i%2].forget(time.Now())
			if left := len([]*Routes{a, b}[i%2].peers); left != 0 {
				t.Errorf("%d peers are left", left)
			}
		}
		n.leave(b)
		there.send(a, b.address, 6, 10)
		time.Sleep(time.Second)
		synctest.Wait()
		if o := there.outcome(6); o != NoNode {
			t.Errorf("a message to a process that has ended ended with %v", o)
		}
	})
}
