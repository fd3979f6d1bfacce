package figures

import (
	"sync"
	"time"
)

// Recorder collects what one goroutine counts and measures. Others may take it away with [Recorder.Take] at any time;
// that is what its lock is for, which is nearly never contended. Have one for each loop, not one for each session: each
// metric in use takes about 200 KB. The zero value is ready.
type Recorder struct {
	mu sync.Mutex
	s  Snapshot
}

// Add counts n more of c.
func (r *Recorder) Add(c Counter, n int64) {
	r.mu.Lock()
	r.s.Add(c, n)
	r.mu.Unlock()
}

// Observe adds a duration to m.
func (r *Recorder) Observe(m Metric, d time.Duration) {
	r.mu.Lock()
	r.s.Observe(m, d)
	r.mu.Unlock()
}

// Error counts an error. Code is the service's, where it gave one, or one of few words of the same form; never text that
// differs from case to case.
func (r *Recorder) Error(code string) {
	r.mu.Lock()
	r.s.AddErrors(code, 1)
	r.mu.Unlock()
}

// CloseCode counts a connection that the service closed with this status code.
func (r *Recorder) CloseCode(code int) {
	r.mu.Lock()
	r.s.AddCloses(code, 1)
	r.mu.Unlock()
}

// Take returns what has come together since the last Take, and begins anew.
func (r *Recorder) Take() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.s
	r.s = Snapshot{}
	return &taken
}
