package admin

import (
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// slow gathers nothing, and takes its time.
type slow struct{ gathered int }

func (s *slow) Gather() ([]*dto.MetricFamily, error) {
	s.gathered++
	time.Sleep(time.Millisecond)
	return []*dto.MetricFamily{}, nil
}

func TestAScrapeEveryTenMillisecondsGathersTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slow)
		r := &recent{gatherer: s}
		for range 100 {
			if families, err := r.Gather(); families == nil || err != nil {
				t.Errorf("a scrape gets %v, %v", families, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if s.gathered < 9 || s.gathered > 11 {
			t.Errorf("in a second it gathers %d times, want 10", s.gathered)
		}
	})
}
