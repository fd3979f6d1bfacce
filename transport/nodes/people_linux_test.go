package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"p2p-messaging/actors/cluster/proof"
	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// now is the clock of all events.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// letters end each login of a person. A frame's number stands in the receiver's login: a letter is large where the number has a
// one. That is the same login, and errors repeat it as it was written. So a sender knows of which frame it is told.
const letters = "abcdefghijklmnopqrstu"

// loginOf returns the login of the person with an index.
func loginOf(index int) string { return fmt.Sprintf("%03d%s", index, letters) }

// spelled returns a login with a number.
func spelled(login string, number int) string {
	b := []byte(login)
	for i := range letters {
		if number>>i&1 == 1 {
			b[len(b)-len(letters)+i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// numberIn returns the number in a login, and the login without it.
func numberIn(spelled string) (login string, number int) {
	login = strings.ToLower(spelled)
	for i := range letters {
		if at := len(login) - len(letters) + i; at >= 0 && login[at] != spelled[at] {
			number |= 1 << i
		}
	}
	return login, number
}

// crowd is people who write to each other by way of the nodes, and who come back to any node if they lose theirs.
type crowd struct {
	network *network
	nodes   []string // addresses
	people  []*person
	clients atomic.Int64

	pace    time.Duration
	while   context.Context    // people send until it is done
	sending context.CancelFunc // ends it
	ending  context.CancelFunc // ends all
	senders sync.WaitGroup
	all     sync.WaitGroup

	mu     sync.Mutex
	events []proof.Event
	open   map[string]bool // frames that did not arrive yet, and nobody was told
	odd    []string        // what a client should never hear
	ends   []string        // how clients have ended
}

// person is a login that always has a client, or looks for a node that takes it.
type person struct {
	crowd   *crowd
	login   string
	home    int // the index of the node that it tries first
	numbers map[string]int

	mu     sync.Mutex
	client *client.Client // nil without a login
}

// assemble starts people, each with a login of its own. They begin on the nodes in turn. Each of them writes to another one, at this pace.
func assemble(n *network, nodes []string, people int, pace time.Duration) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	sending, stop := context.WithCancel(ctx)
	c := &crowd{network: n, nodes: nodes, pace: pace, while: sending, sending: stop, ending: cancel, open: map[string]bool{}}
	for i := range people {
		c.people = append(c.people, &person{crowd: c, login: loginOf(i), home: i % len(nodes), numbers: map[string]int{}})
	}
	for _, p := range c.people {
		c.all.Go(func() { p.live(ctx) })
		c.senders.Go(func() { p.write(sending) })
	}
	return c
}

// record writes an event down, at the present time.
func (c *crowd) record(e proof.Event) {
	e.At = now()
	key := fmt.Sprint(e.From, e.To, e.Number)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	switch e.Kind {
	case proof.Sent:
		c.open[key] = true
	case proof.Delivered, proof.Told:
		delete(c.open, key)
	}
}

func (c *crowd) complain(format string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.odd = append(c.odd, fmt.Sprintf(format, arguments...))
}

// note writes down how a client has ended.
func (c *crowd) note(format string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, fmt.Sprintf(format, arguments...))
}

// dial connects to a node, at best to that with this index. Then come the others.
func (c *crowd) dial(ctx context.Context, first int) (net.Conn, error) {
	var errs []error
	for i := range c.nodes {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		conn, err := c.network.dial(bounded, "tcp", c.nodes[(first+i)%len(c.nodes)])
		cancel()
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// live keeps the person logged in.
func (p *person) live(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		dials := 0
		c, err := client.Dial(ctx, "ws://nodes.test", client.WithKeep(),
			client.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
				dials++ // A dial follows another: the person comes back to the next node.
				return p.crowd.dial(ctx, p.home+attempt+dials-1)
			}))
		if err == nil {
			err = p.use(ctx, c)
			c.CloseNow()
			if ctx.Err() == nil {
				p.crowd.note("%v %s: %v", time.Duration(now()), p.login, err)
			}
		}
		if err != nil {
			pause(ctx, 50*time.Millisecond)
		}
	}
}

// use logs in and receives until the client ends.
func (p *person) use(ctx context.Context, c *client.Client) error {
	if err := c.Login(ctx, p.login); err != nil {
		return err
	}
	name := fmt.Sprintf("%s#%d", p.login, p.crowd.clients.Add(1))
	p.crowd.record(proof.Event{Kind: proof.Accepted, Login: p.login, Client: name})
	p.have(c)
	defer p.have(nil)
	for {
		m, err := c.Receive(ctx)
		var lost *client.SessionLostError
		if errors.As(err, &lost) {
			for _, text := range slices.Concat(lost.Unknown, lost.Unsent) {
				p.told(text)
			}
			if lost.Err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		var refused *client.ServiceError
		switch {
		case m.Type == messages.TypeOffer.String():
			to, number := numberIn(m.To)
			if to != p.login {
				p.crowd.complain("%s got a frame for %s", p.login, m.To)
			}
			p.crowd.record(proof.Event{Kind: proof.Delivered, From: m.From, To: to, Number: number, Client: name})
		case errors.As(m.Err(), &refused) && refused.To != "":
			to, number := numberIn(refused.To)
			p.crowd.record(proof.Event{Kind: proof.Told, From: p.login, To: to, Number: number})
		default:
			p.crowd.complain("%s heard %s", p.login, m.Text)
		}
	}
}

// told notes that a frame may not have arrived.
func (p *person) told(text []byte) {
	var frame struct{ To string }
	if err := json.Unmarshal(text, &frame); err != nil {
		p.crowd.complain("%s was given back %q", p.login, text)
		return
	}
	to, number := numberIn(frame.To)
	p.crowd.record(proof.Event{Kind: proof.Told, From: p.login, To: to, Number: number})
}

func (p *person) have(c *client.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = c
}

func (p *person) has() *client.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

// write sends a frame to somebody again and again.
func (p *person) write(ctx context.Context) {
	for pause(ctx, time.Duration(rand.Int64N(int64(2*p.crowd.pace)))) {
		if c := p.has(); c != nil {
			p.send(ctx, c, p.crowd.people[rand.IntN(len(p.crowd.people))].login)
		}
	}
}

// send sends the next frame for a login.
func (p *person) send(ctx context.Context, c *client.Client, to string) {
	p.numbers[to]++
	number := p.numbers[to]
	p.crowd.record(proof.Event{Kind: proof.Sent, From: p.login, To: to, Number: number})
	if err := c.Send(ctx, messages.TypeOffer, spelled(to, number), nil); err != nil {
		p.crowd.record(proof.Event{Kind: proof.Told, From: p.login, To: to, Number: number})
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// here reports whether all people have a client.
func (c *crowd) here() bool {
	return !slices.ContainsFunc(c.people, func(p *person) bool { return p.has() == nil })
}

// quiet reports whether no frame is under way.
func (c *crowd) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) == 0
}

// settled waits until no frame is under way any more, and returns what people have seen. Within bounds the time; what has not arrived
// then is lost.
func (c *crowd) settled(t *testing.T, within time.Duration) []proof.Event {
	t.Helper()
	c.sending()
	c.senders.Wait()
	for deadline := time.Now().Add(within); !c.quiet() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	c.ending()
	c.all.Wait()
	for _, odd := range c.odd {
		t.Error(odd)
	}
	return c.events
}
