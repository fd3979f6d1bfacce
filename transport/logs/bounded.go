// Package logs makes the logger of the service. A flood of events must not become a flood of lines: see [Bound].
package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// interval is the time in which a number of records with the same message are written.
	interval = 10 * time.Second
	// most is that number, and mostDebug the one at debug level, which somebody has asked for.
	most      = 10
	mostDebug = 10_000
	// maxMessages bounds how many messages are counted each by itself, at debug level and above it. The messages of this program are
	// fixed sentences, and far fewer. Some at debug level are of libraries, and have addresses in them. Others than these share one count.
	maxMessages = 1000
)

// Bound returns a handler that passes records on to next, ten at most with the same message within 10 s (10,000 at debug level).
// After that time it writes how many it has left out.
func Bound(next slog.Handler) slog.Handler {
	return &bounded{next: next, counts: newCounts(most, next), debug: newCounts(mostDebug, next)}
}

// bounded is the handler of Bound. Handlers that are made of one another share the counts.
type bounded struct {
	next   slog.Handler
	counts *counts // of records at level info and above
	debug  *counts // of the others
}

type counts struct {
	most      int          // with one message in an interval
	next      slog.Handler // learns what was left out. It has no attributes: they would be those of one record
	mu        sync.Mutex
	byMessage map[string]*count
}

func newCounts(most int, next slog.Handler) *counts {
	return &counts{most: most, next: next, byMessage: make(map[string]*count)}
}

// others stands for the messages that share a count.
const others = "(of many kinds)"

// count counts the records with one message since the interval began.
type count struct {
	written int
	left    int
}

// Enabled implements [slog.Handler].
func (b *bounded) Enabled(ctx context.Context, level slog.Level) bool {
	return b.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (b *bounded) Handle(ctx context.Context, r slog.Record) error {
	counts := b.counts
	if r.Level < slog.LevelInfo {
		counts = b.debug
	}
	if !counts.admit(r) {
		return nil
	}
	return b.next.Handle(ctx, r)
}

// admit counts a record, and reports whether it may be written.
func (c *counts) admit(r slog.Record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	message := r.Message
	if c.byMessage[message] == nil && len(c.byMessage) >= maxMessages {
		message = others
	}
	n := c.byMessage[message]
	if n == nil {
		n = new(count)
		c.byMessage[message] = n
		level := r.Level
		time.AfterFunc(interval, func() { c.settle(level, message) })
	}
	if n.written == c.most {
		n.left++
		return false
	}
	n.written++
	return true
}

// settle ends an interval, and tells how many records were left out.
func (c *counts) settle(level slog.Level, message string) {
	c.mu.Lock()
	n := c.byMessage[message]
	delete(c.byMessage, message)
	c.mu.Unlock()
	if n.left == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), level, "more lines like one before were left out", 0)
	r.AddAttrs(slog.String("line", message), slog.Int("times", n.left))
	_ = c.next.Handle(context.Background(), r) // nobody could be told of an error
}

// WithAttrs implements [slog.Handler].
func (b *bounded) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &bounded{next: b.next.WithAttrs(attributes), counts: b.counts, debug: b.debug}
}

// WithGroup implements [slog.Handler].
func (b *bounded) WithGroup(name string) slog.Handler {
	return &bounded{next: b.next.WithGroup(name), counts: b.counts, debug: b.debug}
}
