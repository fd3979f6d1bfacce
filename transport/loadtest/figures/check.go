package figures

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// Check is a list of conditions that a result must meet, in the form that --check takes: "p99<50ms,errors=0".
//
//	check     = condition *( "," condition )
//	condition = name operator value
//	operator  = "<" / "<=" / "=" / ">=" / ">"
//
// The names fall into three groups. [metric.]p50 (with any percentile), [metric.]max and [metric.]mean have durations
// as values, such as 50ms. rate[.counter], every counter, sessions, errors[.code], violations and the kinds of
// violations have numbers as values. call_success has a share as its value, such as 0.99 or 99%. Spaces around each
// part are ignored. The zero value has no conditions.
type Check struct{ conditions []condition }

type condition struct {
	name     string
	operator string
	text     string  // of the value, as it was given
	value    float64 // nanoseconds, a number or a share
	subject  subject
}

// subject is the figure that a name stands for. Its function returns measured = false if the result has no such figure.
type subject struct {
	unit unit
	of   func(r *Result) (value float64, measured bool)
}

// unit says how values are read and written.
type unit int

const (
	number unit = iota
	duration
	share
	bytesUnit
)

// Outcome says whether one condition held.
type Outcome struct {
	Condition string `json:"condition"` // as it was given, without spaces
	Held      bool   `json:"held"`
	Value     string `json:"value"` // what was measured, for people
}

// nameSessions is the name of the number of sessions in --check.
const nameSessions = "sessions"

var conditionForm = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*(<=|>=|<|>|=)\s*([^\s<>=]+)\s*$`)

// ParseCheck parses a list of conditions. The error is a *[options.UsageError].
func ParseCheck(text string) (Check, error) {
	var c Check
	for part := range strings.SplitSeq(text, ",") {
		match := conditionForm.FindStringSubmatch(part)
		if match == nil {
			return Check{}, options.UsageErrorf("%q is no condition: write them as in p99<50ms,errors=0", part)
		}
		one := condition{name: match[1], operator: match[2], text: match[3]}
		var known bool
		if one.subject, known = subjectOf(one.name); !known {
			return Check{}, options.UsageErrorf("there is no figure %q: there are %s", one.name, knownSubjects())
		}
		var err error
		if one.value, err = one.subject.unit.parse(one.text); err != nil {
			return Check{}, options.UsageErrorf("%s: %v", one.name, err)
		}
		if one.impossible() {
			return Check{}, options.UsageErrorf("%s can never hold: no figure is below 0, and no share is above 1", one)
		}
		c.conditions = append(c.conditions, one)
	}
	return c, nil
}

// UnmarshalText implements encoding.TextUnmarshaler with [ParseCheck].
func (c *Check) UnmarshalText(text []byte) error {
	parsed, err := ParseCheck(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

// String returns the conditions without spaces, in the form that ParseCheck reads.
func (c Check) String() string {
	all := make([]string, len(c.conditions))
	for i, one := range c.conditions {
		all[i] = one.String()
	}
	return strings.Join(all, ",")
}

func (c condition) String() string { return c.name + c.operator + c.text }

// Evaluate returns for each condition whether r meets it. A figure that was not measured meets no condition.
func (c Check) Evaluate(r *Result) []Outcome {
	var outcomes []Outcome
	for _, one := range c.conditions {
		outcome := Outcome{Condition: one.String(), Value: "not measured"}
		if value, measured := one.subject.of(r); measured {
			outcome.Value, outcome.Held = one.subject.unit.format(value), one.holds(value)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}

// Implied returns the outcome of the condition that every run has to meet: all its sessions could be logged in. It returns
// nothing if they could, or if one of the conditions is about their number.
func (c Check) Implied(r *Result) []Outcome {
	wanted := r.WantedSessions()
	if r.Opened >= wanted || slices.ContainsFunc(c.conditions, func(one condition) bool { return one.name == nameSessions }) {
		return nil
	}
	return []Outcome{{Condition: fmt.Sprintf("%s>=%d", nameSessions, wanted), Value: FormatCount(r.Opened)}}
}

func (c condition) holds(value float64) bool {
	switch c.operator {
	case "<":
		return value < c.value
	case "<=":
		return value <= c.value
	case ">":
		return value > c.value
	case ">=":
		return value >= c.value
	}
	return value == c.value
}

// impossible reports whether no figure can meet the condition.
func (c condition) impossible() bool {
	return c.operator == "<" && c.value == 0 || c.subject.unit == share && c.operator == ">" && c.value == 1
}

func (u unit) parse(text string) (float64, error) {
	if u == duration {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is no duration: give it a unit, as in 50ms or 1.5s", text)
		}
		return float64(d), nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	if percent && u != share {
		return 0, fmt.Errorf("%q: a percentage makes no sense here", text)
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
		return 0, fmt.Errorf("%q is no number", text)
	}
	if percent {
		value /= 100
	}
	if u == share && value > 1 {
		return 0, fmt.Errorf("%q is no share: give one from 0 to 1, or a percentage, as in 99%%", text)
	}
	return value, nil
}

func (u unit) format(value float64) string {
	switch u {
	case duration:
		return FormatDuration(time.Duration(value))
	case share:
		return fmt.Sprintf("%.4g %%", 100*value)
	case bytesUnit:
		return FormatBytes(value)
	}
	if value == math.Trunc(value) {
		return FormatCount(int64(value))
	}
	return FormatRate(value)
}

// knownSubjects lists all names for a person who gave an unknown one.
func knownSubjects() string {
	var m, c, k []string
	for _, metric := range Metrics() {
		m = append(m, metric.String())
	}
	for _, counter := range Counters() {
		c = append(c, counter.String())
	}
	for _, kind := range Violations() {
		k = append(k, violationName(kind))
	}
	return "p50, p90, p99, p99.9 (any percentile), max and mean, alone or after one of " + strings.Join(m, ". ") + ".; rate, " +
		"alone or as in rate.relays_delivered; sessions; errors, alone or as in errors.peer-overloaded; violations, " +
		strings.Join(k, ", ") + "; call_success; service.cpu_per_relay, service.bytes_per_session; " + strings.Join(c, ", ")
}

// violationName returns the name of a kind of violation in --check.
func violationName(v Violation) string {
	if v == ViolationLost {
		return "loss"
	}
	return string(v)
}

func subjectOf(name string) (subject, bool) {
	for _, c := range Counters() {
		switch name {
		case c.String():
			return subject{number, func(r *Result) (float64, bool) { return float64(r.Snapshot.Count(c)), true }}, true
		case "rate." + c.String():
			return subject{number, func(r *Result) (float64, bool) { return r.Rate(c), true }}, true
		}
	}
	for _, v := range Violations() {
		if name == violationName(v) {
			return subject{number, func(r *Result) (float64, bool) {
				return float64(r.Verification.Findings[v].Count), r.Verification.Done
			}}, true
		}
	}
	switch name {
	case "rate":
		return subject{number, func(r *Result) (float64, bool) { return r.Rate(r.MainCounter()), true }}, true
	case nameSessions:
		return subject{number, func(r *Result) (float64, bool) { return float64(r.checkedSessions()), true }}, true
	case "errors":
		return subject{number, func(r *Result) (float64, bool) { return float64(r.Snapshot.ErrorCount()), true }}, true
	case "violations":
		return subject{number, func(r *Result) (float64, bool) {
			return float64(r.Verification.Count()), r.Verification.Done
		}}, true
	case "call_success":
		return subject{share, func(r *Result) (float64, bool) {
			started, failed := r.Snapshot.Count(CounterCallsStarted), r.Snapshot.Count(CounterCallsFailed)
			// A call that started in the warm-up may fail after it.
			return float64(max(0, started-failed)) / float64(max(1, started)), started > 0
		}}, true
	case "service.cpu_per_relay":
		return subject{duration, func(r *Result) (float64, bool) {
			if r.Service == nil || r.Service.CPUPerRelay == 0 {
				return 0, false
			}
			return float64(r.Service.CPUPerRelay), true
		}}, true
	case "service.bytes_per_session":
		return subject{bytesUnit, func(r *Result) (float64, bool) {
			if r.Service == nil || r.Service.BytesPerSession == 0 {
				return 0, false
			}
			return r.Service.BytesPerSession, true
		}}, true
	}
	if code, ok := strings.CutPrefix(name, "errors."); ok && code != "" {
		return subject{number, func(r *Result) (float64, bool) { return float64(r.Snapshot.Errors()[code]), true }}, true
	}
	return latencySubject(name)
}

// latencySubject returns the figure for a name of the form [metric.]percentile.
func latencySubject(name string) (subject, bool) {
	metricOf := (*Result).MainMetric
	for _, m := range Metrics() {
		if rest, ok := strings.CutPrefix(name, m.String()+"."); ok {
			name, metricOf = rest, func(*Result) Metric { return m }
			break
		}
	}
	var of func(d *Distribution) time.Duration
	switch name {
	case "max":
		of = (*Distribution).Max
	case "mean":
		of = (*Distribution).Mean
	default:
		digits, ok := strings.CutPrefix(name, "p")
		percentile, err := strconv.ParseFloat(digits, 64)
		if !ok || err != nil || !(percentile > 0 && percentile < 100) || strings.Trim(digits, "0123456789.") != "" {
			return subject{}, false
		}
		of = func(d *Distribution) time.Duration { return d.Percentile(percentile) }
	}
	return subject{duration, func(r *Result) (float64, bool) {
		d := r.Snapshot.Distribution(metricOf(r))
		return float64(of(d)), d.Count() > 0
	}}, true
}
