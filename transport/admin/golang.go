package admin

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// golang reads the metrics of Go.
type golang struct {
	samples []metrics.Sample
	sums    []sum
	gc      debug.GCStats

	goroutines, threads, lastGC *float64
	pauses                      *dto.Summary
}

// sum is a metric that is the sum of samples.
type sum struct {
	value *float64
	of    []int // indexes into samples
}

const (
	objects  = "/memory/classes/heap/objects:bytes"
	unused   = "/memory/classes/heap/unused:bytes"
	released = "/memory/classes/heap/released:bytes"
	free     = "/memory/classes/heap/free:bytes"
	stacks   = "/memory/classes/heap/stacks:bytes"
	spans    = "/memory/classes/metadata/mspan/inuse:bytes"
	caches   = "/memory/classes/metadata/mcache/inuse:bytes"
	tiny     = "/gc/heap/tiny/allocs:objects"
)

// goSources returns which values of package runtime/metrics a metric is the sum of. The texts of the metrics say so, too.
func goSources() map[string][]string {
	return map[string][]string{
		"go_memstats_alloc_bytes":         {objects},
		"go_memstats_alloc_bytes_total":   {"/gc/heap/allocs:bytes"},
		"go_memstats_sys_bytes":           {"/memory/classes/total:bytes"},
		"go_memstats_mallocs_total":       {"/gc/heap/allocs:objects", tiny},
		"go_memstats_frees_total":         {"/gc/heap/frees:objects", tiny},
		"go_memstats_heap_alloc_bytes":    {objects},
		"go_memstats_heap_sys_bytes":      {objects, unused, released, free},
		"go_memstats_heap_idle_bytes":     {released, free},
		"go_memstats_heap_inuse_bytes":    {objects, unused},
		"go_memstats_heap_released_bytes": {released},
		"go_memstats_heap_objects":        {"/gc/heap/objects:objects"},
		"go_memstats_stack_inuse_bytes":   {stacks},
		"go_memstats_stack_sys_bytes":     {stacks, "/memory/classes/os-stacks:bytes"},
		"go_memstats_mspan_inuse_bytes":   {spans},
		"go_memstats_mspan_sys_bytes":     {spans, "/memory/classes/metadata/mspan/free:bytes"},
		"go_memstats_mcache_inuse_bytes":  {caches},
		"go_memstats_mcache_sys_bytes":    {caches, "/memory/classes/metadata/mcache/free:bytes"},
		"go_memstats_buck_hash_sys_bytes": {"/memory/classes/profiling/buckets:bytes"},
		"go_memstats_gc_sys_bytes":        {"/memory/classes/metadata/other:bytes"},
		"go_memstats_other_sys_bytes":     {"/memory/classes/other:bytes"},
		"go_memstats_next_gc_bytes":       {"/gc/heap/goal:bytes"},
		"go_gc_gogc_percent":              {"/gc/gogc:percent"},
		"go_gc_gomemlimit_bytes":          {"/gc/gomemlimit:bytes"},
		"go_sched_gomaxprocs_threads":     {"/sched/gomaxprocs:threads"},
	}
}

// newGolang returns what changes the values of these families. The other families never change.
func newGolang(families []*dto.MetricFamily) *golang {
	g := &golang{gc: debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}}
	index := map[string]int{}
	sources := goSources()
	for _, f := range families {
		m := f.Metric[0]
		switch f.GetName() {
		case "go_goroutines":
			g.goroutines = valueOf(m)
		case "go_threads":
			g.threads = valueOf(m)
		case "go_memstats_last_gc_time_seconds":
			g.lastGC = valueOf(m)
		case "go_gc_duration_seconds":
			g.pauses = m.Summary
		}
		s := sum{value: valueOf(m)}
		for _, name := range sources[f.GetName()] {
			i, known := index[name]
			if !known {
				i = len(g.samples)
				index[name] = i
				g.samples = append(g.samples, metrics.Sample{Name: name})
			}
			s.of = append(s.of, i)
		}
		if len(s.of) > 0 {
			g.sums = append(g.sums, s)
		}
	}
	return g
}

// read changes the values to what they are now.
func (g *golang) read() {
	metrics.Read(g.samples)
	for _, s := range g.sums {
		*s.value = 0
		for _, i := range s.of {
			if v := g.samples[i].Value; v.Kind() == metrics.KindUint64 {
				*s.value += float64(v.Uint64())
			}
		}
	}
	*g.goroutines = float64(runtime.NumGoroutine())
	threads, _ := runtime.ThreadCreateProfile(nil)
	*g.threads = float64(threads)
	debug.ReadGCStats(&g.gc)
	*g.lastGC = float64(g.gc.LastGC.UnixNano()) / 1e9
	*g.pauses.SampleCount = uint64(g.gc.NumGC)
	*g.pauses.SampleSum = g.gc.PauseTotal.Seconds()
	for i, q := range g.pauses.Quantile { // 0, 0.25 and so on
		*q.Value = g.gc.PauseQuantiles[i].Seconds()
	}
}
