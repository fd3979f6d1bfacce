package figures

// Metric names a duration that is measured.
type Metric uint8

// The metrics. The lags describe the generator. All other metrics are what a client sees, measured from when the step
// was due.
const (
	MetricConnect     Metric = iota // from when a connection was due to the end of its WebSocket handshake
	MetricLogin                     // from a login to its answer
	MetricClose                     // from the close frame to the end of the connection
	MetricCycle                     // churn: from when a cycle was due to its end
	MetricRelay                     // from when a frame was due to its arrival at the right peer
	MetricReturn                    // storm: from the drop of all sessions to the new login of this one
	MetricStormBefore               // storm: relay latency of bystanders while nothing else happens
	MetricStormDuring               // storm: relay latency of bystanders from the drop until all sessions of the generator's process are back
	MetricSlowBefore                // slow: relay latency of neighbours while everybody reads
	MetricSlowDuring                // slow: relay latency of neighbours while some do not read
	MetricCallSetup                 // call: from the start of a call until its data channels are open at both ends
	MetricMessage                   // call: from a message over a data channel to its echo
	MetricSendLag                   // generator: from when a frame was due to when it was sent
	MetricLoopLag                   // generator: how much later than planned its event loops did their work, sampled all the time at even distances
	metrics
)

// String returns the metric's name in JSON and in --check.
func (m Metric) String() string {
	return [metrics]string{
		"connect", "login", "close", "cycle", "relay", "return", "storm_before", "storm_during", "slow_before",
		"slow_during", "call_setup", "message", "send_lag", "loop_lag",
	}[m]
}

// Title returns what m measures, for people.
func (m Metric) Title() string {
	return [metrics]string{
		"connect", "log in", "close", "whole cycle", "relay", "back after the drop", "bystanders before the storm",
		"bystanders during the storm", "neighbours before", "neighbours of slow readers", "set up a call",
		"message and echo", "generator: send lag", "generator: loop lag",
	}[m]
}

// Metrics returns all metrics.
func Metrics() []Metric {
	all := make([]Metric, metrics)
	for i := range all {
		all[i] = Metric(i)
	}
	return all
}
