package admin

import (
	"cmp"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// family is a metric family. A scrape changes its values and makes no new ones.
type family struct {
	dto    *dto.MetricFamily
	labels []string // the names, in their order
	read   func(*figures)
}

func newFamily(kind dto.MetricType, name, help string, labels []string) *family {
	return &family{dto: &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}, labels: labels}
}

// value returns where the value of the metric with these labels is. The metric is made if there is none.
func (f *family) value(labels []string) *float64 {
	for _, m := range f.dto.Metric {
		if hasLabels(m, labels) {
			return valueOf(m)
		}
	}
	m := &dto.Metric{}
	for i, value := range labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: &f.labels[i], Value: new(value)})
	}
	if f.dto.GetType() == counter {
		m.Counter = &dto.Counter{Value: new(float64)}
	} else {
		m.Gauge = &dto.Gauge{Value: new(float64)}
	}
	f.dto.Metric = append(f.dto.Metric, m)
	slices.SortFunc(f.dto.Metric, compareLabels)
	return valueOf(m)
}

func hasLabels(m *dto.Metric, labels []string) bool {
	for i, l := range m.Label {
		if l.GetValue() != labels[i] {
			return false
		}
	}
	return true
}

func compareLabels(a, b *dto.Metric) int {
	return slices.CompareFunc(a.Label, b.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
}

// valueOf returns where the value of a counter or gauge is. It is nil for other metrics.
func valueOf(m *dto.Metric) *float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.Value
	case m.Gauge != nil:
		return m.Gauge.Value
	}
	return nil
}

// newHistogram returns a family with one histogram, whose buckets have these upper ends.
func newHistogram(name, help string, bounds []float64) (*family, histogram) {
	h := &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
	for _, bound := range bounds {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(uint64)})
	}
	f := newFamily(dto.MetricType_HISTOGRAM, name, help, nil)
	f.dto.Metric = []*dto.Metric{{Histogram: h}}
	return f, histogram{h}
}

type histogram struct{ dto *dto.Histogram }

// observe adds a value.
func (h histogram) observe(value float64) {
	*h.dto.SampleCount++
	*h.dto.SampleSum += value
	for _, b := range h.dto.Bucket {
		if value <= *b.UpperBound {
			*b.CumulativeCount++
		}
	}
}

// set sets all counts.
func (h histogram) set(count uint64, sum time.Duration, cumulative func(bucket int) uint64) {
	*h.dto.SampleCount, *h.dto.SampleSum = count, sum.Seconds()
	for i, b := range h.dto.Bucket {
		*b.CumulativeCount = cumulative(i)
	}
}
