package auth

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
)

// from returns a check of an address.
func from(address uint64, queue *queue, decide func(actors.Verdict)) *check {
	if decide == nil {
		decide = func(actors.Verdict) {}
	}
	return &check{Question: actors.Question{From: address}, decide: decide, queue: queue, began: time.Now()}
}

// held is a queue whose checks run until the test lets them go on.
type held struct {
	queue
	mu      sync.Mutex
	order   []uint64 // addresses of the checks that have begun
	release chan struct{}
}

func hold(workers int) *held {
	h := &held{release: make(chan struct{})}
	h.workers, h.logger = workers, slog.New(slog.DiscardHandler)
	h.run = func(c *check) {
		h.mu.Lock()
		h.order = append(h.order, c.From)
		h.mu.Unlock()
		<-h.release
	}
	return h
}

func (h *held) begun() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.order)
}

func TestAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(1)
		for range longestLine {
			h.put(from(1, &h.queue, nil))
		}
		h.put(from(2, &h.queue, nil))
		h.put(from(2, &h.queue, nil))
		h.put(from(3, &h.queue, nil))
		for range 7 {
			synctest.Wait()
			h.release <- struct{}{}
		}
		synctest.Wait()
		if got, want := h.begun(), []uint64{1, 1, 2, 3, 1, 2, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("the addresses of the checks that have begun are %v, want %v", got, want)
		}
		close(h.release)
	})
}

// An endpoint may take 5 s for each token of somebody. Others do not wait for that.
func TestAnAddressLeavesAGoroutineForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 32
		h := hold(workers)
		for address := range uint64(5) {
			for range 2 * workers {
				h.put(from(1+address, &h.queue, nil))
			}
		}
		synctest.Wait()
		counts := map[uint64]int{}
		for _, address := range h.begun() {
			counts[address]++
		}
		if counts[1] != workers/2 || counts[5] == 0 || len(h.begun()) > workers {
			t.Errorf("the goroutines are shared so: %v", counts)
		}
		close(h.release)
		synctest.Wait()
		if n := len(h.begun()); n != 5*2*workers || h.working != 0 || len(h.running)+len(h.waiting.of)+len(h.waiting.lanes) != 0 {
			t.Errorf("%d checks have run, and left %+v", n, &h.queue)
		}
	})
}

// Behind a proxy that names nobody there are many clients.
func TestClientsWithoutAnAddressHaveNearlyAllGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 32
		h := hold(workers)
		for range 2 * workers {
			h.put(from(0, &h.queue, nil))
		}
		synctest.Wait()
		if n := len(h.begun()); n != workers-1 {
			t.Errorf("%d checks run, want %d", n, workers-1)
		}
		h.put(from(1, &h.queue, nil))
		synctest.Wait()
		if order := h.begun(); order[len(order)-1] != 1 {
			t.Error("nothing is left for an address")
		}
		close(h.release)
	})
}

func TestAFullQueueRefusesTheNewestOfTheAddressThatHasMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(1)
		refused := map[uint64]int{}
		put := func(address uint64) {
			h.put(from(address, &h.queue, func(v actors.Verdict) {
				if v.Refusal == refusalBusy {
					refused[address]++
				}
			}))
		}
		put(1) // runs
		for range longestLine + 10 {
			put(1)
		}
		if refused[1] != 10 {
			t.Fatalf("%v were refused, want ten of the one address", refused)
		}
		for address := range uint64(longestLine - 1) {
			put(2 + address)
		}
		if refused[1] != 10+longestLine-1 || len(refused) != 1 {
			t.Errorf("%d of the address with most were refused, and of %d addresses", refused[1], len(refused))
		}
		put(longestLine + 1) // has one, as all have
		put(longestLine + 2)
		if refused[longestLine+1] != 1 || refused[longestLine+2] != 1 || h.waiting.size != longestLine {
			t.Errorf("%d wait, and %v were refused", h.waiting.size, refused)
		}
		close(h.release)
	})
}

// Tokens with unknown keys wait for one read of the keys. Those of one address do not crowd out others.
func TestChecksThatWaitForKeysAreSharedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &remoteKeys{reading: true}
		var refused []uint64
		q := &queue{workers: 1, logger: slog.New(slog.DiscardHandler), run: func(c *check) { c.refuse("run") }}
		wait := func(address uint64) {
			r.renew(from(address, q, func(v actors.Verdict) {
				if v.Refusal == refusalBusy {
					refused = append(refused, address)
				}
			}), nil)
		}
		for range longestLine + 1 {
			wait(1)
		}
		wait(2)
		if !slices.Equal(refused, []uint64{1, 1}) {
			t.Errorf("those of %v were refused", refused)
		}
	})
}

// messages/PROTOCOL.md says that a check takes 10 s at most.
func TestACheckThatWaitsForKeysTakesTenSecondsAtMost(t *testing.T) {
	if longestCheck != 10*time.Second {
		t.Errorf("a check takes %v at most", longestCheck)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			waits, reads, waitsAgain time.Duration
			want                     string
		}{
			{longestWait, answerTimeout, 0, ""},
			{longestWait + 1, 0, 0, refusalBusy},
			{0, answerTimeout, longestWait, ""},
			{time.Second, answerTimeout, longestWait, refusalBusy},
			{longestWait, answerTimeout, 1, refusalBusy},
		} {
			waits := c.waits
			looks := 0
			a := &Authenticator{}
			a.queue = queue{workers: 1, logger: slog.New(slog.DiscardHandler), run: func(check *check) {
				time.Sleep(waits)
				waits = c.waitsAgain
				a.run(check)
			}}
			a.by = judged(func(check *check) (actors.Verdict, bool) {
				if looks++; looks == 2 {
					return actors.Verdict{}, false
				}
				time.AfterFunc(c.reads, check.again)
				return actors.Verdict{}, true
			})
			began := time.Now()
			decided := make(chan actors.Verdict, 1)
			a.authenticate(actors.Question{Token: "x"}, func(v actors.Verdict) { decided <- v })
			v := <-decided
			if took := time.Since(began); took > longestCheck && v.Refusal == "" {
				t.Errorf("%+v: the check took %v", c, took)
			}
			if v.Refusal != c.want {
				t.Errorf("%+v: refused with %q", c, v.Refusal)
			}
		}
	})
}

// judged is a judge that a test makes of a function.
type judged func(*check) (actors.Verdict, bool)

func (j judged) look(c *check) (actors.Verdict, bool) { return j(c) }
func (judged) reload() error                          { return nil }
func (judged) close()                                 {}
