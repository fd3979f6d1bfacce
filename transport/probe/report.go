package probe

import (
	"fmt"
	"strings"
	"time"
)

// Step is one thing that was tried.
type Step struct {
	Way          string  `json:"way"`  // "service", "direct", "STUN", or "relay by UDP", "… TCP", "… TLS"
	Name         string  `json:"step"` // "connect", "TLS", "WebSocket", "login", "ICE servers", "binding", "allocate", "call" or "message"
	OK           bool    `json:"ok"`
	Milliseconds float64 `json:"ms"`
	Detail       string  `json:"detail,omitempty"`
	Error        string  `json:"error,omitempty"`
	Code         Code    `json:"code,omitempty"`
	Cause        string  `json:"cause,omitempty"` // the likely cause and what to do, for people
}

// text returns the lines that people read.
func (s Step) text() string {
	state := "ok"
	if !s.OK {
		state = "FAIL"
	}
	line := fmt.Sprintf("%-4s  %-13s %-12s %8.1f ms  %s", state, s.Way, s.Name, s.Milliseconds, s.Detail)
	line = strings.TrimRight(line, " ") + "\n"
	if s.Error != "" {
		line += "      " + s.Error + "\n"
	}
	if s.Cause != "" {
		line += "      Likely cause: " + s.Cause + "\n"
	}
	return line
}

// Report is what a probe found.
type Report struct {
	URL   string `json:"url"`
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
}

func (r *Report) failed() int {
	n := 0
	for _, s := range r.Steps {
		if !s.OK {
			n++
		}
	}
	return n
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
