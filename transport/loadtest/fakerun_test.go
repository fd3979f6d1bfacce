package loadtest

import (
	"context"
	"time"
)

// fakeRun is a [runner] with a result from a drawer; it reports a few seconds of it.
func fakeRun(r *Result, err error) runner {
	return func(_ context.Context, _ Options, observe func(Progress)) (*Result, error) {
		if err != nil {
			return nil, err
		}
		for _, p := range r.Timeline {
			observe(Progress{Phase: p.Phase, Elapsed: p.At, Left: 12*time.Second - p.At, Wanted: 200, Point: p, Totals: &r.Snapshot})
		}
		return r, nil
	}
}
