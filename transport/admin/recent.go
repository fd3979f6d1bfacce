package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// freshness is how old the answer to a scrape may be. So scrapes that come faster cost next to nothing.
	freshness = 100 * time.Millisecond
	// maxScrapes is how many scrapes are answered at once. One of them gathers, and the others wait for it. More get HTTP 503.
	maxScrapes = 4
)

// recent gathers metrics, unless it has just done so. It serves one caller at a time, see [exclusive].
type recent struct {
	gatherer prometheus.Gatherer

	at       time.Time
	families []*dto.MetricFamily
	err      error
}

// Gather implements [prometheus.Gatherer]. The result may change with the next call.
func (r *recent) Gather() ([]*dto.MetricFamily, error) {
	if now := time.Now(); r.families == nil || now.Sub(r.at) >= freshness {
		r.families, r.err = r.gatherer.Gather()
		r.at = now
	}
	return r.families, r.err
}

// exclusive lends what a gatherer returns to one caller at a time, because the next call changes it. It implements
// [prometheus.TransactionalGatherer].
type exclusive struct {
	gatherer prometheus.Gatherer
	mu       sync.Mutex
}

func (e *exclusive) Gather() (families []*dto.MetricFamily, done func(), err error) {
	e.mu.Lock()
	families, err = e.gatherer.Gather()
	return families, e.mu.Unlock, err
}
