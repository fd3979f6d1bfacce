package main

import "time"

// The load of all scenarios that relay.
const (
	pairCount    = 200
	offeredRate  = 5000 // relays a second, all pairs together
	churners     = 32   // clients that connect and leave, over and over, at the same time
	warmUpCycles = 200  // before the memory of a service is looked at that has no sessions yet
)

// scenario is what a service is to do.
type scenario struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Size     int     `json:"size"`     // bytes of each frame; 0: it relays nothing
	Window   int     `json:"window"`   // frames of a pair that are sent at once; the next ones when all of them have arrived
	Offered  float64 `json:"offered"`  // relays a second, however fast they arrive; 0: see Window
	Cycles   bool    `json:"cycles"`   // connect, log in, log out where there is such a thing, close
	Sessions int     `json:"sessions"` // to hold
}

func scenarios() []scenario {
	return []scenario{
		{Name: "window1", Title: "300 B, window 1", Size: 300, Window: 1},
		{Name: "window16", Title: "300 B, window 16", Size: 300, Window: 16},
		{Name: "offered", Title: "300 B, 5,000 relays/s offered", Size: 300, Offered: offeredRate},
		{Name: "large1", Title: "2 KB, window 1", Size: 2048, Window: 1},
		{Name: "large16", Title: "2 KB, window 16", Size: 2048, Window: 16},
		{Name: "cycles", Title: "connect, log in, log out, close", Cycles: true},
		{Name: "idle", Title: "idle sessions"},
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// job is what a generator process is to do.
type job struct {
	Dialect  string        `json:"dialect"`
	Address  string        `json:"address"` // host:port of the service
	PID      int           `json:"pid"`     // of the service
	Cores    [2]int        `json:"cores"`   // of the service and of the generator
	Scenario scenario      `json:"scenario"`
	Warmup   time.Duration `json:"warmup"`
	Duration time.Duration `json:"duration"`
	Grace    time.Duration `json:"grace"` // for frames that are under way in the end
}

// outcome is what came out of it. Times are of the measured interval.
type outcome struct {
	Seconds       float64 `json:"measured_s"`
	Count         int64   `json:"count"` // relays or cycles done
	ServiceCPU    float64 `json:"service_cpu_s"`
	GeneratorCPU  float64 `json:"generator_cpu_s"`
	OthersService float64 `json:"others_service_cores"`   // share of the service's core that went to others
	OthersOwn     float64 `json:"others_generator_cores"` // … of the generator's
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	LeastShare    float64 `json:"least_share"` // the slowest pair's relays by the mean of all pairs
	Verified      int64   `json:"verified"`    // frames that were compared byte for byte, in all

	Sessions int64 `json:"sessions"`        // held
	FreshRSS int64 `json:"fresh_rss_bytes"` // of the service, before them
	RSS      int64 `json:"rss_bytes"`       // … with them
	Pings    int64 `json:"pings"`           // that the service sent
}

func (f outcome) rate() float64           { return float64(f.Count) / f.Seconds }
func (f outcome) cpuPerUnit() float64     { return f.ServiceCPU / float64(f.Count) }
func (f outcome) serviceShare() float64   { return f.ServiceCPU / f.Seconds }
func (f outcome) generatorShare() float64 { return f.GeneratorCPU / f.Seconds }
func (f outcome) disturbed() bool         { return max(f.OthersService, f.OthersOwn) > disturbance }
func (f outcome) bytesPerSession() float64 {
	return float64(f.RSS-f.FreshRSS) / float64(f.Sessions)
}
