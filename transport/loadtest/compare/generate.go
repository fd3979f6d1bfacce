package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/machine"
	"p2p-messaging/transport/loadtest/swarm"
)

const (
	openingAtOnce = 128
	patience      = 60 * time.Second // limit for sessions to open
	settling      = 10 * time.Second // limit for the memory of a service to settle
	look          = 10 * time.Millisecond
)

// generator puts the load of one job on one service. All of its fields belong to its loop.
type generator struct {
	job     job
	dialect dialect
	random  *rand.Rand
	swarm   *swarm.Swarm
	loop    *swarm.Loop
	failed  error

	unopened []*client
	opening  int
	opened   int // clients that are logged in
	logins   int // logins made so far
	pairs    []*pair
	running  bool          // pairs send
	churning bool          // a client whose cycle has ended begins another
	over     bool          // the job is over, so connections end
	next     time.Duration // offered load: when the next frame is due
	turn     int           // offered load: the pair that sends it

	latency  figures.Distribution
	count    int64
	verified int64
}

// client is one connection with one login.
type client struct {
	g        *generator
	conn     *swarm.Conn
	login    string
	loggedIn bool
	cycles   bool          // leaves as soon as it is logged in
	kept     *kept         // scenario resumes; nil otherwise
	since    time.Duration // when its cycle began
	pair     *pair
	side     int
}

// pair is two clients that send frames to each other.
type pair struct {
	clients    [2]*client
	directions [2]direction // by the client that sends
	count      int64        // frames that have arrived
	turn       int          // offered load: the client that sends the next frame
}

// direction is the sequence of frames from one client to another.
type direction struct {
	sent, arrives frame           // the next frame to send, and the next to arrive
	dues          []time.Duration // due times of the frames under way, from first on
	first         int             // index into dues
}

func (d *direction) underWay() int { return len(d.dues) - d.first }

// generateTo does a job, given as JSON, and writes the outcome as JSON.
func generateTo(w io.Writer, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	machine.RaiseFileLimit()
	f, err := generate(context.Background(), j)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(f)
}

// generate does a job.
func generate(ctx context.Context, j job) (outcome, error) {
	g := &generator{job: j, dialect: dialectOf(j.Dialect).withToken(j.Token), random: rand.New(rand.NewPCG(1, 2))}
	o := swarm.Options{
		URL: "ws://" + j.Address + "/", Loops: 1, Tick: g.tick,
		Prepare: func(loops []*swarm.Loop) { g.loop = loops[0] },
	}
	var err error
	if j.Scenario.TLS {
		o.URL = "wss://" + j.Address + "/"
		if o.TLS, err = trusting(j.Trusted); err != nil {
			return outcome{}, err
		}
	}
	if g.swarm, err = swarm.New(ctx, o); err != nil {
		return outcome{}, err
	}
	defer g.swarm.Stop()
	defer g.do(func() { g.over = true })
	switch {
	case j.Scenario.Cycles:
		return g.cycle()
	case j.Scenario.Sessions > 0:
		return g.hold()
	}
	return g.relay()
}

// do calls f on the loop and waits until it returns.
func (g *generator) do(f func()) {
	done := make(chan struct{})
	g.loop.Do(func() { defer close(done); f() })
	<-done
}

// wait waits until condition holds. It calls condition on the loop.
func (g *generator) wait(limit time.Duration, what string, condition func() bool) error {
	for began := time.Now(); ; time.Sleep(look) {
		met, failed := false, error(nil)
		g.do(func() { met, failed = condition(), g.failed })
		switch {
		case failed != nil:
			return failed
		case met:
			return nil
		case time.Since(began) > limit:
			return fmt.Errorf("after %v %s", limit, what)
		}
	}
}

// pass waits for a time, or until something fails.
func (g *generator) pass(d time.Duration) error {
	end := time.Now().Add(d)
	for g.failure() == nil && time.Now().Before(end) {
		time.Sleep(min(time.Until(end), 100*time.Millisecond))
	}
	return g.failure()
}

func (g *generator) failure() (err error) {
	g.do(func() { err = g.failed })
	return err
}

func (g *generator) fail(format string, arguments ...any) {
	if g.failed == nil && !g.over {
		g.failed = fmt.Errorf(format, arguments...)
	}
}

// add adds n clients, which tick opens as fast as is good.
func (g *generator) add(n int) (all []*client) {
	for range n {
		all = append(all, &client{g: g})
	}
	g.unopened = append(g.unopened, all...)
	return all
}

// begun begins the measured interval.
func (g *generator) begun() (usage, error) {
	u, err := lookAt(g.job)
	g.count, g.latency = 0, figures.Distribution{}
	for _, p := range g.pairs {
		p.count = 0
	}
	return u, err
}

// measure measures for the job's duration.
func (g *generator) measure() (outcome, error) {
	var before, after usage
	var f outcome
	var err error
	g.do(func() { before, err = g.begun() })
	if err != nil {
		return f, err
	}
	if err := g.pass(g.job.Duration); err != nil {
		return f, err
	}
	g.do(func() {
		after, err = lookAt(g.job)
		f = after.since(before)
		f.Count, f.Sessions, f.RSS = g.count, int64(g.opened), after.memory.resident
		f.Anonymous = after.memory.anonymous
		f.P50, f.P99 = micro(g.latency.Percentile(50)), micro(g.latency.Percentile(99))
		f.LeastShare = leastShare(g.pairs)
	})
	if err == nil {
		err = g.failure()
	}
	return f, err
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// leastShare returns the relays of the slowest pair divided by the mean over all pairs. It is 0 if there were no
// relays.
func leastShare(pairs []*pair) float64 {
	least, total := int64(math.MaxInt64), int64(0)
	for _, p := range pairs {
		least = min(least, p.count)
		total += p.count
	}
	if total == 0 {
		return 0
	}
	return float64(least) * float64(len(pairs)) / float64(total)
}

// relay measures pairs that exchange frames.
func (g *generator) relay() (outcome, error) {
	g.do(func() {
		all := g.add(2 * pairCount)
		for i := 0; i < len(all); i += 2 {
			p := &pair{clients: [2]*client{all[i], all[i+1]}}
			for side, c := range p.clients {
				c.pair, c.side, c.login = p, side, g.newLogin()
			}
			for side, c := range p.clients {
				d := &p.directions[side]
				d.sent, d.arrives = g.dialect.frames(c.login, p.clients[1-side].login, g.job.Scenario.Size)
			}
			g.pairs = append(g.pairs, p)
		}
	})
	if err := g.wait(patience, "not all sessions are open", func() bool { return g.opened == 2*pairCount }); err != nil {
		return outcome{}, err
	}
	g.do(func() {
		g.running, g.next = true, g.loop.Now()
		if g.job.Scenario.Offered == 0 {
			for _, p := range g.pairs {
				p.send(0, g.job.Scenario.Window, g.loop.Now())
			}
		}
	})
	if err := g.pass(g.job.Warmup); err != nil {
		return outcome{}, err
	}
	f, err := g.measure()
	if err != nil {
		return f, err
	}
	g.do(func() { g.running = false })
	err = g.wait(g.job.Grace, "frames have not arrived", func() bool {
		f.Verified = g.verified
		return !slices.ContainsFunc(g.pairs, func(p *pair) bool {
			return p.directions[0].underWay()+p.directions[1].underWay() > 0
		})
	})
	return f, err
}

// churn starts clients that come and go.
func (g *generator) churn() {
	g.churning = true
	for _, c := range g.add(churners) {
		c.cycles = true
		if g.job.Scenario.Resumes {
			c.kept = &kept{}
		}
	}
}

// cycle measures clients that come and go.
func (g *generator) cycle() (outcome, error) {
	g.do(g.churn)
	if err := g.pass(g.job.Warmup); err != nil {
		return outcome{}, err
	}
	f, err := g.measure()
	if g.job.Scenario.Resumes {
		f.Verified = f.Count
	}
	return f, err
}

// hold measures sessions that are held.
func (g *generator) hold() (outcome, error) {
	g.do(g.churn)
	if err := g.wait(patience, "the service was not warm", func() bool { return g.count >= warmUpCycles }); err != nil {
		return outcome{}, err
	}
	g.do(func() { g.churning = false })
	if err := g.wait(patience, "a session has not ended", func() bool { return g.loop.Open() == 0 }); err != nil {
		return outcome{}, err
	}
	fresh, err := g.settled()
	if err != nil {
		return outcome{}, err
	}
	g.do(func() { g.add(g.job.Scenario.Sessions) })
	if err := g.wait(10*patience, "not all sessions are open", func() bool { return g.opened == g.job.Scenario.Sessions }); err != nil {
		return outcome{}, err
	}
	if _, err := g.settled(); err != nil {
		return outcome{}, err
	}
	var pings int
	g.do(func() { pings = g.loop.Pings() })
	f, err := g.measure()
	if err != nil {
		return f, err
	}
	f.FreshAnonymous = fresh
	g.do(func() { f.Pings = int64(g.loop.Pings() - pings) })
	return f, nil
}

// memory is what a process has in memory, in bytes.
type memory struct {
	resident  int64
	anonymous int64 // resident without the pages of files, such as the program
}

// settled waits until the memory of the service no longer changes, but not longer than settling. It returns the anonymous
// memory in bytes.
func (g *generator) settled() (int64, error) {
	for end := time.Now().Add(settling); ; {
		before, err := lookAt(g.job)
		if err != nil {
			return 0, err
		}
		if err := g.pass(min(time.Second, g.job.Duration)); err != nil {
			return 0, err
		}
		after, err := lookAt(g.job)
		if err != nil {
			return 0, err
		}
		if change := math.Abs(float64(after.memory.anonymous - before.memory.anonymous)); change < max(64<<10, 0.002*float64(after.memory.anonymous)) || time.Now().After(end) {
			return after.memory.anonymous, nil
		}
	}
}

// tick does what is due. The loop calls it after every event.
func (g *generator) tick(l *swarm.Loop) time.Duration {
	for len(g.unopened) > 0 && g.opening < openingAtOnce && !g.over {
		c := g.unopened[0]
		g.unopened = g.unopened[1:]
		g.opening++
		c.dial()
	}
	offered := g.job.Scenario.Offered
	if !g.running || offered == 0 {
		return swarm.Never
	}
	now := l.Now()
	for g.next <= now {
		p := g.pairs[g.turn]
		g.turn = (g.turn + 1) % len(g.pairs)
		p.send(p.turn, 1, g.next)
		p.turn = 1 - p.turn
		g.next += time.Duration(g.random.ExpFloat64() / offered * float64(time.Second))
	}
	return g.next
}

// send sends n frames from one side to the other. Due is when they were due.
func (p *pair) send(side, n int, due time.Duration) {
	d, c := &p.directions[side], p.clients[side]
	if d.underWay() == 0 {
		d.dues, d.first = d.dues[:0], 0
	}
	for range n {
		if err := c.conn.Send(d.sent.text); err != nil {
			c.g.fail("a frame could not be sent: %w", err)
			return
		}
		d.sent.next()
		d.dues = append(d.dues, due)
	}
}

// newLogin returns a login that was not used before.
func (g *generator) newLogin() string {
	g.logins++
	return fmt.Sprintf("user-%07d", g.logins)
}

func (c *client) dial() {
	if c.login == "" || c.cycles && (c.kept == nil || c.kept.secret == "") {
		c.login = c.g.newLogin()
	}
	c.loggedIn = false
	c.since = c.g.loop.Now()
	c.conn = c.g.loop.Dial(c)
}

// Target implements swarm.Targeted.
func (c *client) Target() string { return c.g.dialect.target(c.login) }

// Opened implements swarm.Handler.
func (c *client) Opened(conn *swarm.Conn) {
	text := c.g.dialect.login(c.login)
	if text != "" && c.kept != nil {
		text = c.keptLogin(text)
	}
	if text != "" {
		_ = conn.Send([]byte(text))
	}
}

// Text implements swarm.Handler.
func (c *client) Text(conn *swarm.Conn, text []byte) {
	g := c.g
	if !c.loggedIn {
		if string(text) != g.dialect.accepted && (c.kept == nil || !c.cameBack(text)) {
			g.fail("a login was answered with %q", clipped(text))
			return
		}
		c.loggedIn = true
		g.opened++
		g.opening--
		if c.cycles {
			if text := g.dialect.logout(c.login); text != "" && c.kept == nil {
				_ = conn.Send([]byte(text))
			}
			conn.Close()
		}
		return
	}
	if c.kept != nil {
		return // a pong
	}
	if c.pair == nil {
		g.fail("a session that nobody sends to was told %q", clipped(text))
		return
	}
	p := c.pair
	d := &p.directions[1-c.side]
	if d.underWay() == 0 || !bytes.Equal(text, d.arrives.text) {
		g.fail("%q arrived where %q was expected", clipped(text), clipped(d.arrives.text))
		return
	}
	d.arrives.next()
	now := g.loop.ReadAt()
	g.latency.Observe(now - d.dues[d.first])
	d.first++
	g.count++
	g.verified++
	p.count++
	if d.underWay() == 0 && g.running && g.job.Scenario.Offered == 0 {
		p.send(c.side, g.job.Scenario.Window, now)
	}
}

// Closed implements swarm.Handler.
func (c *client) Closed(_ *swarm.Conn, err error) {
	g := c.g
	if g.over {
		return
	}
	if !c.loggedIn || err != nil {
		if err == nil {
			err = errors.New("nobody has said why")
		}
		g.fail("a session has ended: %w", err)
		return
	}
	g.opened--
	if !c.cycles {
		return
	}
	g.latency.Observe(g.loop.Now() - c.since)
	g.count++
	if g.churning {
		g.unopened = append(g.unopened, c)
	}
}

// clipped returns the beginning of a text that may be long.
func clipped(text []byte) string {
	const enough = 120
	if len(text) <= enough {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:enough]), "") + "…"
}
