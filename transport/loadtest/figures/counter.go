package figures

import (
	"strings"
)

// Counter names something that is counted.
type Counter uint8

// The counters. A counter stays 0 if no scenario of the run does what it counts.
const (
	CounterDials            Counter = iota // connections begun
	CounterOpened                          // WebSocket handshakes done
	CounterClosed                          // connections that ended while the run went on, for whatever reason; not those that the tool ends with it
	CounterLoginsSent                      // logins asked for
	CounterLoggedIn                        // logins accepted
	CounterLoggedOut                       // sessions that ended in the same way, by a logout or with their connection
	CounterCycles                          // churn: complete cycles of connect, login, logout and close
	CounterDropped                         // storm: sessions that were dropped
	CounterReturned                        // storm: dropped sessions that are back; one that must come back twice counts once
	CounterResumed                         // storm: those that are back and go on where they were, because they are kept
	CounterRelaysSent                      // frames given to the service to be relayed
	CounterRelaysDelivered                 // frames that arrived, whether or not they were right
	CounterRelaysFromWarmup                // frames that arrived in the measured phase or later, but were due before it; not among those delivered
	CounterRelaysRefused                   // frames that the service answered with an error
	CounterCallsStarted                    // call: calls whose set-up has ended, whether or not it went through
	CounterCallsConnected                  // call: data channels open at both ends
	CounterCallsFailed                     // call: calls that were given up
	CounterMessagesSent                    // call: messages over data channels whose echo came, or is overdue
	CounterMessagesReceived                // call: echoes of these messages
	CounterBytesSent                       // payload of WebSocket messages to the service
	CounterBytesReceived                   // payload of WebSocket messages from the service
	counters
)

// String returns the counter's name in JSON and in --check.
func (c Counter) String() string {
	return [counters]string{
		"dials", "opened", "closed", "logins_sent", "logged_in", "logged_out", "cycles", "dropped", "returned", "resumed",
		"relays_sent", "relays_delivered", "relays_from_warmup", "relays_refused", "calls_started", "calls_connected", "calls_failed",
		"messages_sent", "messages_received", "bytes_sent", "bytes_received",
	}[c]
}

// Counters returns all counters.
func Counters() []Counter {
	all := make([]Counter, counters)
	for i := range all {
		all[i] = Counter(i)
	}
	return all
}

// Noun returns the plural noun for what c counts, as in "1,000 relays/s".
func (c Counter) Noun() string {
	switch c {
	case CounterLoggedIn:
		return "logins"
	case CounterCycles:
		return "cycles"
	case CounterReturned:
		return "returns"
	case CounterCallsConnected:
		return "calls"
	case CounterRelaysDelivered:
		return "relays"
	}
	return strings.ReplaceAll(c.String(), "_", " ")
}

// Title returns what c counts, for people.
func (c Counter) Title() string {
	switch c {
	case CounterRelaysRefused:
		return "frames refused"
	case CounterCallsFailed:
		return "calls failed"
	case CounterMessagesReceived:
		return "messages echoed"
	}
	return c.Noun()
}
