package main

import "time"

// The load of the scenarios that relay.
const (
	pairCount    = 200
	offeredRate  = 5000 // relays a second over all pairs
	churners     = 32   // clients that connect and leave at the same time, over and over
	warmUpCycles = 200  // cycles before the memory of a service without sessions is measured
)

// scenario is what a service has to do.
type scenario struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Size     int     `json:"size"`     // bytes of each frame; 0: nothing is relayed
	Window   int     `json:"window"`   // frames of a pair that are sent at once; the next ones follow when all have arrived
	Offered  float64 `json:"offered"`  // relays a second, regardless of how fast they arrive; 0: Window applies
	Cycles   bool    `json:"cycles"`   // connect, log in, log out if the dialect can, close
	Resumes  bool    `json:"resumes"`  // Cycles without a logout: a service that keeps sessions has them resumed
	Sessions int     `json:"sessions"` // sessions to hold
	TLS      bool    `json:"tls"`      // over wss://
}

// holds reports whether the scenario holds idle sessions.
func (s scenario) holds() bool { return s.Size == 0 && !s.Cycles }

func scenarios() []scenario {
	return []scenario{
		{Name: "window1", Title: "300 B, window 1", Size: 300, Window: 1},
		{Name: "window16", Title: "300 B, window 16", Size: 300, Window: 16},
		{Name: "offered", Title: "300 B, 5,000 relays/s offered", Size: 300, Offered: offeredRate},
		{Name: "large1", Title: "2 KB, window 1", Size: 2048, Window: 1},
		{Name: "large16", Title: "2 KB, window 16", Size: 2048, Window: 16},
		{Name: "cycles", Title: "connect, log in, log out, close", Cycles: true},
		{Name: "idle", Title: "idle sessions"},
		{Name: "tls1", Title: "TLS, 300 B, window 1", Size: 300, Window: 1, TLS: true},
		{Name: "tls16", Title: "TLS, 300 B, window 16", Size: 300, Window: 16, TLS: true},
		{Name: "tlsidle", Title: "idle sessions over TLS", TLS: true},
		{Name: "resumes", Title: "connect, resume a kept session, close", Cycles: true, Resumes: true},
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// job is what a generator process has to do.
type job struct {
	Dialect  string        `json:"dialect"`
	Token    string        `json:"token,omitempty"` // that each login brings
	Address  string        `json:"address"`         // host:port of the service
	Trusted  string        `json:"trusted"`         // file of the certificate that a service over TLS has
	PID      int           `json:"pid"`             // of the service
	Cores    [2]int        `json:"cores"`           // of the service and of the generator
	Scenario scenario      `json:"scenario"`
	Warmup   time.Duration `json:"warmup"`
	Duration time.Duration `json:"duration"`
	Grace    time.Duration `json:"grace"` // limit for frames under way at the end
}

// outcome is what a job measured. Times are of the measured interval.
type outcome struct {
	Seconds       float64 `json:"measured_s"`
	Count         int64   `json:"count"` // relays or cycles
	ServiceCPU    float64 `json:"service_cpu_s"`
	GeneratorCPU  float64 `json:"generator_cpu_s"`
	OthersService float64 `json:"others_service_cores"`   // share of the service's core that other programs used
	OthersOwn     float64 `json:"others_generator_cores"` // share of the generator's core that other programs used
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	LeastShare    float64 `json:"least_share"` // relays of the slowest pair divided by the mean over all pairs
	Verified      int64   `json:"verified"`    // frames compared byte for byte, or sessions that were resumed if the service keeps any

	Sessions       int64 `json:"sessions"`              // sessions held
	RSS            int64 `json:"rss_bytes"`             // resident memory of the service
	Anonymous      int64 `json:"anonymous_bytes"`       // its resident memory without the pages of files
	FreshAnonymous int64 `json:"fresh_anonymous_bytes"` // the same before these sessions
	Pings          int64 `json:"pings"`                 // pings from the service
}

func (f outcome) rate() float64           { return float64(f.Count) / f.Seconds }
func (f outcome) cpuPerUnit() float64     { return f.ServiceCPU / float64(f.Count) }
func (f outcome) serviceShare() float64   { return f.ServiceCPU / f.Seconds }
func (f outcome) generatorShare() float64 { return f.GeneratorCPU / f.Seconds }
func (f outcome) disturbed() bool         { return max(f.OthersService, f.OthersOwn) > disturbance }
func (f outcome) bytesPerSession() float64 {
	return float64(f.Anonymous-f.FreshAnonymous) / float64(f.Sessions)
}
