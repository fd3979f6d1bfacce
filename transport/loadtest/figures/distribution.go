package figures

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The precision of a [Distribution]. A percentile of an HDR histogram with 3 significant digits is at most 0.1 % off, or half the
// resolution if that is more.
const (
	resolution = time.Microsecond
	longest    = time.Hour // longer durations count as this long
	digits     = 3
)

// Distribution is a set of durations, kept as an HDR histogram in microseconds. The zero value is empty. A Distribution
// is not safe for concurrent use.
type Distribution struct {
	histogram *hdrhistogram.Histogram
	max       time.Duration // exact
	sum       time.Duration // exact, except that no duration counts for more than longest
}

// Observe adds a duration. A negative duration counts as 0.
func (d *Distribution) Observe(v time.Duration) {
	v = min(max(v, 0), longest)
	_ = d.made().RecordValue(int64((v + resolution/2) / resolution)) // cannot fail: the value is within the histogram's bounds
	d.max = max(d.max, v)
	d.sum += v
}

func (d *Distribution) made() *hdrhistogram.Histogram {
	if d.histogram == nil {
		d.histogram = hdrhistogram.New(1, int64(longest/resolution), digits)
	}
	return d.histogram
}

// Merge adds the durations of o. The result equals that of observing all durations in one Distribution.
func (d *Distribution) Merge(o *Distribution) {
	if o == nil || o.histogram == nil {
		return
	}
	d.made().Merge(o.histogram) // drops nothing: both have the same bounds
	d.max = max(d.max, o.max)
	d.sum += o.sum
}

// Count returns how many durations there are.
func (d *Distribution) Count() int64 {
	if d == nil || d.histogram == nil {
		return 0
	}
	return d.histogram.TotalCount()
}

// Max returns the longest duration, exactly. It is 0 if there is none.
func (d *Distribution) Max() time.Duration {
	if d == nil {
		return 0
	}
	return d.max
}

// Mean returns the arithmetic mean. It is 0 if there is no duration.
func (d *Distribution) Mean() time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return d.sum / time.Duration(d.Count())
}

// Percentile returns the duration that p percent of the durations do not exceed. It is 0 if there is none.
func (d *Distribution) Percentile(p float64) time.Duration {
	if d.Count() == 0 {
		return 0
	}
	// The histogram rounds the rank. The duration of a rank that is rounded down is exceeded by more than it may be.
	const inexact = 1e-6 // of the product below
	rank := math.Ceil(p*float64(d.Count())/100 - inexact)
	exact := 100 * rank / float64(d.Count())
	return min(time.Duration(d.histogram.ValueAtPercentile(exact))*resolution, d.max)
}

// curveStep is the number of points of a percentile curve between a share 1 − p and a tenth of it.
const curveStep = 20

// curve returns the durations at the percentiles 100 · (1 − 10^(−i/curveStep)) for i = 0, 1, 2, …, and the longest
// duration at the end.
func (d *Distribution) curve() []time.Duration {
	if d.Count() == 0 {
		return nil
	}
	var values []time.Duration
	for i := 0; ; i++ {
		rest := math.Pow(10, -float64(i)/curveStep) // the share of durations above the percentile
		if rest*float64(d.Count()) <= 1 {
			return append(values, d.Max())
		}
		values = append(values, d.Percentile(100*(1-rest)))
	}
}

// distributionJSON is the form in which a [Distribution] passes between processes.
type distributionJSON struct {
	HDR   string `json:"hdr"` // HDR histogram, V2, compressed, base64; values are microseconds
	MaxNS int64  `json:"max_ns"`
	SumNS int64  `json:"sum_ns"`
}

// MarshalJSON encodes d without loss: [Distribution.UnmarshalJSON] restores a Distribution equal to d.
func (d *Distribution) MarshalJSON() ([]byte, error) {
	encoded, err := d.encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(distributionJSON{encoded, int64(d.max), int64(d.sum)})
}

func (d *Distribution) encode() (string, error) {
	encoded, err := d.made().Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode a histogram: %w", err)
	}
	return string(encoded), nil
}

// UnmarshalJSON replaces d by what text encodes.
func (d *Distribution) UnmarshalJSON(text []byte) error {
	var j distributionJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	decoded, err := hdrhistogram.Decode([]byte(j.HDR))
	if err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	*d = Distribution{max: time.Duration(j.MaxNS), sum: time.Duration(j.SumNS)}
	if dropped := d.made().Merge(decoded); dropped != 0 {
		return fmt.Errorf("decode a histogram: %d values are out of bounds", dropped)
	}
	return nil
}
