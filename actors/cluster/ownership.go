package cluster

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

const (
	// batch is how many operations go to the store in one step. Etcd takes 128 at most.
	batch = 64
	// batchBytes bounds the bytes of the keys in one step, as often as etcd is told them. Etcd refuses a request of more than 1.5 MiB, and
	// then every operation in it fails.
	batchBytes = 512 << 10
	// flights is how many batches are on their way at once. More do not make the store faster, and what else it is asked for waits
	// behind them, such as the renewal of a lease. With 16 it took three times as long (45,000 claims of three nodes).
	flights = 2
	// slowAnswer is the time after which a batch does not count among the flights. Its member of the store may be frozen, and others
	// answer. Then mostFlights is the bound.
	slowAnswer  = 300 * time.Millisecond
	mostFlights = 16
	// patience is how long a client waits for a store that answers nothing before its login is refused, and mostPatience for one
	// that answers others.
	patience     = 3 * time.Second
	mostPatience = 3 * patience
	// answerTimeout is how long the store may take to answer before its answer counts as lost.
	answerTimeout = 2 * time.Second
)

// ownership claims, finds and releases logins in the store. It asks about many logins at once, and about one login one thing after
// another. An operation whose outcome is unknown is done again: its value is unique, so the store's answer tells whether it was done
// before.
type ownership struct {
	store   Store
	address string // of this node
	now     func() time.Duration
	// leaseEnded is called when the store says that the lease has ended. It must not block.
	leaseEnded func()

	mu      sync.Mutex
	lease   int64 // 0 while the node may claim nothing
	era     uint64
	number  uint64              // of the last value
	held    map[string]uint64   // the logins of this node, with the numbers of their values
	busy    map[string]*request // the newest request about a login, while it is not done
	queue   []*request
	flying  int
	slow    int           // flights that take longer than slowAnswer
	heard   time.Duration // when the store has answered last
	stopped context.Context

	claims, finds, retries atomic.Uint64
}

// request is one operation and who waits for it.
type request struct {
	Operation
	era     uint64 // in which the request was made; a find belongs to none
	number  uint64 // of the value
	since   time.Duration
	then    *request // about the same login, to be done afterwards
	claimed func(outcome actors.Claimed, owner string)
	freed   func()
	found   func(owner string, err error)
}

// errUndecided is what a find ends with if the store does not answer in time.
var errUndecided = errors.New("the store does not answer")

func newOwnership(ctx context.Context, store Store, address string, now func() time.Duration, leaseEnded func()) *ownership {
	return &ownership{
		store: store, address: address, now: now, leaseEnded: leaseEnded, stopped: ctx,
		held: map[string]uint64{}, busy: map[string]*request{},
	}
}

// value returns the value of a key. No other claim has the same.
func (o *ownership) value(number uint64) string {
	return o.address + " " + strconv.FormatUint(number, 36)
}

// addressIn returns the address in the value of a key.
func addressIn(value string) string {
	address, _, _ := strings.Cut(value, " ")
	return address
}

// own begins a lease.
func (o *ownership) own(lease int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lease = lease
}

// disown ends the lease. All claims that are in flight are undecided, and all logins are given up.
func (o *ownership) disown() {
	o.mu.Lock()
	o.lease = 0
	o.era++
	var told []func()
	for _, first := range o.busy {
		for r := first; r != nil; r = r.then {
			told = append(told, r.abandon())
		}
	}
	clear(o.held)
	clear(o.busy)
	o.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// abandon returns what tells who waits that the request will not be done.
func (r *request) abandon() func() {
	switch {
	case r.freed != nil:
		return r.freed
	case r.claimed != nil:
		claimed := r.claimed
		r.claimed = nil
		return func() { claimed(actors.Undecided, "") }
	}
	return func() {}
}

// claim asks for a login. Instead is the value of its key that the claim replaces, or "". If the login is taken, claimed gets the
// value of its key.
func (o *ownership) claim(key, instead string, claimed func(outcome actors.Claimed, owner string)) {
	o.mu.Lock()
	if o.lease == 0 || len(key) > messages.MaxKeyBytes { // find would not find it
		o.mu.Unlock()
		claimed(actors.Undecided, "")
		return
	}
	o.claims.Add(1)
	o.add(&request{Operation: Operation{Kind: Claim, Login: key, Instead: instead}, claimed: claimed})
	o.mu.Unlock()
}

// reclaim gives a login of this node another value, if it is still the node's. A node that has seen the old value cannot
// replace it any more. If the login is nobody's, nothing is decided.
func (o *ownership) reclaim(key string, decided func(actors.Claimed)) {
	o.mu.Lock()
	value := o.value(o.held[key])
	o.mu.Unlock()
	o.claim(key, value, func(outcome actors.Claimed, owner string) {
		if outcome == actors.Taken && owner == "" { // who took it has given it up
			outcome = actors.Undecided
		}
		decided(outcome)
	})
}

// release gives up a login.
func (o *ownership) release(key string, freed func()) {
	o.mu.Lock()
	if o.lease == 0 {
		o.mu.Unlock()
		freed()
		return
	}
	o.add(&request{Operation: Operation{Kind: Release, Login: key}, freed: freed})
	o.mu.Unlock()
}

// find asks for the owner of a login. The store is not asked for what nobody can have: whoever sends to a very long id would fill its requests.
// Then found is called before find returns.
func (o *ownership) find(key string, found func(owner string, err error)) {
	if len(key) > messages.MaxKeyBytes {
		found("", nil)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finds.Add(1)
	r := &request{Operation: Operation{Kind: Find, Login: key}, found: found, since: o.now()}
	o.start(r)
}

// add adds a request about a login of this node. It waits for those before. The caller holds mu.
func (o *ownership) add(r *request) {
	r.era, r.since = o.era, o.now()
	if last := o.busy[r.Login]; last != nil {
		for last.then != nil {
			last = last.then
		}
		last.then = r
		return
	}
	o.busy[r.Login] = r
	o.begin(r)
}

// begin begins a request whose turn it is. The caller holds mu.
func (o *ownership) begin(r *request) {
	switch r.Kind {
	case Claim:
		o.number++
		r.number = o.number
	case Release:
		r.number = o.held[r.Login]
		delete(o.held, r.Login)
	}
	r.Value = o.value(r.number)
	o.start(r)
}

// start puts a request into the queue. The caller holds mu.
func (o *ownership) start(r *request) {
	o.queue = append(o.queue, r)
	o.depart()
}

// depart lets another batch fly if there may be one. The caller holds mu.
func (o *ownership) depart() {
	if len(o.queue) > 0 && o.flying-o.slow < flights && o.flying < mostFlights {
		o.flying++
		go o.fly()
	}
}

// fly does what is in the queue.
func (o *ownership) fly() {
	for {
		o.mu.Lock()
		var requests []*request
		var lease int64
		if o.flying-o.slow <= flights {
			requests, lease = o.take()
		}
		if len(requests) == 0 {
			o.flying--
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		operations := make([]Operation, len(requests))
		for i, r := range requests {
			operations[i] = r.Operation
		}
		owners, err := o.do(lease, operations)
		if err != nil {
			o.failed(requests, lease, err)
			continue
		}
		for i, r := range requests {
			o.done(r, owners[i])
		}
	}
}

// do asks the store, and lets others fly if it is slow.
func (o *ownership) do(lease int64, operations []Operation) (owners []string, err error) {
	slow := time.AfterFunc(slowAnswer, func() { o.slower(1) })
	ctx, cancel := context.WithTimeout(o.stopped, answerTimeout)
	owners, err = o.store.Do(ctx, lease, operations)
	cancel()
	if !slow.Stop() {
		o.slower(-1)
	}
	if err == nil {
		o.mu.Lock()
		o.heard = o.now()
		o.mu.Unlock()
	}
	return owners, err
}

// slower changes the number of slow flights.
func (o *ownership) slower(by int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slow += by
	o.depart()
}

// take takes requests about different logins from the queue. The caller holds mu.
func (o *ownership) take() (requests []*request, lease int64) {
	seen := make(map[string]bool, min(batch, len(o.queue)))
	rest := o.queue[:0:0]
	bytes := 0
	for i, r := range o.queue {
		switch {
		case r.Kind != Find && r.era != o.era: // it was abandoned
			continue
		case seen[r.Login]:
			rest = append(rest, r)
			continue
		}
		if bytes += r.bytes(); len(requests) == batch || len(requests) > 0 && bytes > batchBytes {
			rest = append(rest, o.queue[i:]...)
			break
		}
		seen[r.Login] = true
		requests = append(requests, r)
	}
	o.queue = rest
	return requests, o.lease
}

// bytes returns how many bytes of its key a request has for the store. What changes a key names it in a condition, in the change and in the
// question for whose it is otherwise.
func (r *request) bytes() int {
	if r.Kind == Find {
		return len(r.Login)
	}
	return 3 * len(r.Login)
}

// failed does requests again whose outcome is unknown. Who has waited too long is told.
func (o *ownership) failed(requests []*request, lease int64, err error) {
	o.mu.Lock()
	if errors.Is(err, errLeaseEnded) && lease == o.lease { // a member that was frozen may speak of the lease before
		o.leaseEnded()
	}
	o.mu.Unlock()
	o.retries.Add(uint64(len(requests)))
	pause(o.stopped)
	var told []func()
	o.mu.Lock()
	late := o.now() - patience
	if o.heard > late {
		late = o.now() - mostPatience
	}
	for _, r := range requests {
		switch {
		case r.Kind == Find && (r.since <= o.now()-patience || o.stopped.Err() != nil):
			found := r.found
			told = append(told, func() { found("", errUndecided) })
			continue
		case r.Kind != Find && (r.era != o.era || o.stopped.Err() != nil):
			continue // it was abandoned, or will be
		case r.Kind == Claim && r.claimed != nil && r.since <= late:
			told = append(told, r.abandon()) // what it gets is given up
		}
		o.queue = append(o.queue, r)
	}
	o.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// done notes what the store has answered to a request.
func (o *ownership) done(r *request, owner string) {
	if r.Kind == Find {
		r.found(owner, nil)
		return
	}
	o.mu.Lock()
	if r.era != o.era {
		o.mu.Unlock()
		return
	}
	tell := r.freed
	if r.Kind == Claim {
		switch {
		case owner == r.Value && r.claimed == nil: // nobody waits any more
			o.held[r.Login] = r.number
			r.then = &request{Operation: Operation{Kind: Release, Login: r.Login}, era: r.era, since: o.now(), freed: func() {}, then: r.then}
			tell = func() {}
		case owner == r.Value:
			o.held[r.Login] = r.number
			tell = r.tells(actors.Granted, owner)
		case addressIn(owner) == o.address:
			// This node has put it and knows nothing of it: the answer was lost, and so was the answer to its release.
			r.Instead = owner
			o.start(r)
			o.mu.Unlock()
			return
		default:
			tell = r.tells(actors.Taken, owner)
		}
	}
	if r.then != nil {
		o.busy[r.Login] = r.then
		o.begin(r.then)
	} else {
		delete(o.busy, r.Login)
	}
	o.mu.Unlock()
	tell()
}

// tells returns what tells the outcome of a claim.
func (r *request) tells(outcome actors.Claimed, owner string) func() {
	claimed := r.claimed
	if claimed == nil {
		return func() {}
	}
	return func() { claimed(outcome, owner) }
}

// counts returns how many logins this node owns, and how many requests wait for the store.
func (o *ownership) counts() (held, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.held), len(o.busy)
}
