package figures

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// randomDuration returns a duration between 0 and more than longest.
func randomDuration(random *rand.Rand) time.Duration {
	return time.Duration(random.Int64N(1 << (1 + random.Int64N(42))))
}

func equalDistributions(t *testing.T, what string, got, want *Distribution) {
	t.Helper()
	if got.Count() != want.Count() || got.Max() != want.Max() || got.Mean() != want.Mean() ||
		(want.Count() > 0 && !got.histogram.Equals(want.histogram)) {
		t.Errorf("%s: count %d, max %v, mean %v; wanted count %d, max %v, mean %v and the same histogram",
			what, got.Count(), got.Max(), got.Mean(), want.Count(), want.Max(), want.Mean())
	}
	for _, p := range []float64{1, 50, 99, 99.9} {
		if got.Percentile(p) != want.Percentile(p) {
			t.Errorf("%s: p%v is %v; wanted %v", what, p, got.Percentile(p), want.Percentile(p))
		}
	}
}

func TestMergedFiguresAreThoseOfEverythingInOne(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var all Snapshot
	parts := make([]Snapshot, 5)
	for range 20_000 {
		part := &parts[random.IntN(len(parts))]
		m, d := Metrics()[random.IntN(int(metrics))], randomDuration(random)
		c, n := Counters()[random.IntN(int(counters))], random.Int64N(10)
		code := fmt.Sprint("code-", random.IntN(9))
		status := 1000 + random.IntN(2)*13
		for _, to := range []*Snapshot{&all, part} {
			to.Observe(m, d)
			to.Add(c, n)
			to.AddErrors(code, 1)
			to.AddCloses(status, 1)
		}
	}
	var merged, throughJSON Snapshot
	for i := range parts {
		s := &parts[i]
		merged.Merge(s)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		var decoded Snapshot
		if err := json.Unmarshal(text, &decoded); err != nil {
			t.Fatalf("Unmarshal: %v", err)
		}
		throughJSON.Merge(&decoded)
	}
	want := &all
	for name, got := range map[string]*Snapshot{"merged": &merged, "merged through JSON": &throughJSON} {
		for _, m := range Metrics() {
			equalDistributions(t, name+", "+m.String(), got.Distribution(m), want.Distribution(m))
		}
		if got.counts != want.counts || !reflect.DeepEqual(got.errors, want.errors) || !reflect.DeepEqual(got.closes, want.closes) {
			t.Errorf("%s: %v, %v, %v; wanted %v, %v, %v", name, got.counts, got.errors, got.closes, want.counts, want.errors, want.closes)
		}
	}
}

func TestADistributionIsAtMostATenthOfAPercentOff(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 999 * time.Microsecond, 2047 * time.Microsecond, 123456 * time.Microsecond, time.Minute, time.Hour} {
		var one Distribution
		one.Observe(d)
		if got := one.Percentile(50); (got - d).Abs() > d/1000 {
			t.Errorf("p50 of %v alone is %v", d, got)
		}
		if one.Max() != d || one.Mean() != d {
			t.Errorf("of %v alone, the longest is %v and the mean %v", d, one.Max(), one.Mean())
		}
	}
	for _, d := range []time.Duration{5400, 5500, 50_400} {
		var one, two Distribution // of two, the longest does not bound the shorter
		one.Observe(d)
		two.Observe(d)
		two.Observe(time.Second)
		for _, got := range []time.Duration{one.Percentile(50), two.Percentile(50)} {
			if (got - d).Abs() > resolution/2 {
				t.Errorf("p50 of %v is %v; wanted it half a microsecond off at most", d, got)
			}
		}
	}
	var odd Distribution
	odd.Observe(-time.Second)
	odd.Observe(100 * time.Hour)
	if odd.Count() != 2 || odd.Percentile(1) != 0 || odd.Max() != longest {
		t.Errorf("of -1 s and 100 h there are %d from %v to %v; wanted both, as 0 and %v", odd.Count(), odd.Percentile(1), odd.Max(), longest)
	}
}

func TestAPercentileIsNotExceededByMoreThanItSays(t *testing.T) {
	for _, n := range []int{1, 2, 3, 99, 100, 101, 149, 150, 151, 160, 199, 200, 201, 1000, 1999} {
		var d Distribution
		for i := range n {
			d.Observe(time.Duration(i+1) * time.Microsecond)
		}
		for _, p := range []float64{1, 12.5, 50, 90, 99, 99.9, 99.99} {
			got := d.Percentile(p)
			share := func(v time.Duration) float64 { return 100 * float64(v/time.Microsecond) / float64(n) }
			const inexact = 1e-9
			if share(got) < p-inexact || share(got-time.Microsecond) >= p-inexact && got > time.Microsecond {
				t.Errorf("p%v of 1 to %d µs is %v, which %.3f %% do not exceed; wanted the least that %v %% do not", p, n, got, share(got), p)
			}
		}
	}
}

func TestWhatAServiceCallsItsErrorsIsBounded(t *testing.T) {
	var s Snapshot
	s.AddErrors("\x1b[2J", 1)
	s.AddErrors("", 1)
	s.AddErrors(strings.Repeat("a", 65), 1)
	s.AddErrors("peer-overloaded", 1)
	for i := range 1000 {
		s.AddErrors(fmt.Sprint("code-", i), 1)
	}
	if len(s.errors) > maxCodes+1 || s.errors["peer-overloaded"] != 1 || s.errors[otherCode] < 3 || s.ErrorCount() != 1004 {
		t.Errorf("%d codes, %d of them %q, %d errors; wanted at most %d codes and every error", len(s.errors), s.errors[otherCode], otherCode, s.ErrorCount(), maxCodes)
	}
}

func TestWarmupCountsForConnectionsAndLoginsOnly(t *testing.T) {
	var warmup Snapshot
	warmup.Add(CounterLoggedIn, 3)
	warmup.Add(CounterRelaysDelivered, 5)
	warmup.Observe(MetricLogin, time.Millisecond)
	warmup.Observe(MetricRelay, time.Millisecond)
	warmup.AddErrors("login-taken", 1)
	var s Snapshot
	s.MergeWarmup(&warmup)
	if s.Count(CounterLoggedIn) != 3 || s.Distribution(MetricLogin).Count() != 1 || s.ErrorCount() != 1 ||
		s.Count(CounterRelaysDelivered) != 0 || s.Distribution(MetricRelay).Count() != 0 {
		t.Errorf("%+v; wanted logins and errors, and no relays", s)
	}
}

func TestEveryCounterAndMetricHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Counters() {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("the counter %d is called %q", c, c)
		}
		seen[c.String()] = true
	}
	for _, m := range Metrics() {
		if m.String() == "" || m.Title() == "" || seen[m.String()] {
			t.Errorf("the metric %d is called %q, %q", m, m, m.Title())
		}
		seen[m.String()] = true
	}
}

func TestFiguresOfAnotherVersionAreRefused(t *testing.T) {
	for _, text := range []string{
		`[]`, `{"counters":{"unknown":1}}`, `{"metrics":{"unknown":{"hdr":"","max_ns":0,"sum_ns":0}}}`, `{"metrics":{"relay":{"hdr":"AAAA"}}}`,
	} {
		if err := json.Unmarshal([]byte(text), new(Snapshot)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	var r Snapshot
	b.ReportAllocs()
	for b.Loop() {
		r.Add(CounterRelaysDelivered, 1)
		r.Observe(MetricRelay, 812*time.Microsecond)
	}
}
