package admin

import (
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/transport"
	"p2p-messaging/transport/turn"
)

// sampled is how many connections, and how many sessions, a scrape looks at to see how much waits for them.
const sampled = 1024

// collector turns the figures of a service into metrics when they are asked for. Its families are made once. A scrape changes
// their values, so that it leaves little garbage: otherwise the collector of garbage would run for the scrapes of an idle service.
type collector struct {
	service Service
	figures figures
	own     []*family
	bounds  []time.Duration // of the buckets of latency
	latency histogram

	// A scrape adds what it sees of the queues to these.
	queues, backlogs histogram

	golang   *golang
	process  *process
	families []*dto.MetricFamily // of all metrics that are changed in place, by name
	others   prometheus.Gatherer // has the metrics that are not; nil: there are none
}

// figures are those of all parts of a service, read once for each scrape.
type figures struct {
	actors    actors.Figures
	transport transport.Figures
	turn      turn.Figures
	cluster   cluster.Figures
	ready     bool
}

// newCollector returns a collector. The error says that the metrics of the program cannot be read.
func newCollector(s Service) (*collector, error) {
	c := &collector{service: s}
	c.own = slices.Concat(sessionMetrics(), relayMetrics(), turnMetrics(), labeledMetrics())
	if s.Cluster != nil {
		c.own = append(c.own, clusterMetrics()...)
	}
	c.bounds = slices.Sorted(maps.Keys(s.Server.Figures().Latency.Buckets))
	seconds := make([]float64, len(c.bounds))
	for i, bound := range c.bounds {
		seconds[i] = bound.Seconds()
	}
	var histograms [3]*family
	histograms[0], c.latency = newHistogram("p2p_relay_seconds", "Time from reading a relayed message to handing it to the network, of a sample.", seconds)
	histograms[1], c.queues = newHistogram("p2p_queue_bytes", "Bytes that wait for the client of a connection. Each scrape adds a sample of the connections.",
		[]float64{0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20})
	histograms[2], c.backlogs = newHistogram("p2p_mailbox_messages", "Messages that wait in the mailbox of a session. Each scrape adds a sample of the sessions.",
		[]float64{0, 1, 4, 16, 64, 256, 1024})
	for _, f := range slices.Concat(c.own, histograms[:]) {
		c.families = append(c.families, f.dto)
	}
	// Package collectors knows how the metrics of Go and of the process are called.
	registry, processes := prometheus.NewRegistry(), prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), build{})
	processes.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	of, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	c.golang = newGolang(of)
	c.families = append(c.families, of...)
	if of, err = processes.Gather(); err != nil {
		return nil, err
	}
	if c.process = newProcess(of); c.process != nil {
		c.families = append(c.families, of...)
	} else {
		c.others = processes
	}
	slices.SortFunc(c.families, compareNames)
	return c, nil
}

func compareNames(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }

// Gather implements [prometheus.Gatherer]. The result changes with the next call.
func (c *collector) Gather() ([]*dto.MetricFamily, error) {
	s, f := c.service, &c.figures
	f.actors, f.transport, f.turn, f.ready = s.System.Figures(), s.Server.Figures(), s.TURN.Figures(), s.Ready()
	if s.Cluster != nil {
		f.cluster = s.Cluster.Figures()
	}
	for _, family := range c.own {
		family.read(f)
	}
	s.Server.EachQueue(sampled, func(bytes int) { c.queues.observe(float64(bytes)) })
	s.System.EachBacklog(sampled, func(messages int) { c.backlogs.observe(float64(messages)) })
	l := f.transport.Latency
	c.latency.set(l.Count, l.Sum, func(bucket int) uint64 { return l.Buckets[c.bounds[bucket]] })
	c.golang.read()
	if c.others == nil {
		c.process.read()
		return c.families, nil
	}
	others, err := c.others.Gather()
	all := slices.Concat(c.families, others)
	slices.SortFunc(all, compareNames)
	return all, err
}

// build says which program this is, as the value 1 with labels.
type build struct{}

// Describe implements [prometheus.Collector].
func (b build) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(b, out) }

// Collect implements [prometheus.Collector].
func (build) Collect(out chan<- prometheus.Metric) {
	version, revision, goVersion := "unknown", "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	desc := prometheus.NewDesc("p2p_build_info", "The program. The value is 1.", []string{"version", "revision", "goversion"}, nil)
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, version, revision, goVersion)
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func label(b bool) string { return strconv.FormatBool(b) }
