package figures

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// FormatDuration returns d with three significant digits and a unit.
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond-500: // rounds to less than 1000 µs
		return FormatSignificant(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second-500*time.Microsecond:
		return FormatSignificant(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Minute:
		return FormatSignificant(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// FormatSignificant returns v with three significant digits, or with all digits of its integer part if there are more.
func FormatSignificant(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// FormatCount returns n with commas between thousands.
func FormatCount(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// FormatRate returns v with three significant digits, or with all digits of its integer part and commas between thousands.
func FormatRate(v float64) string {
	if v >= 99.95 {
		return FormatCount(int64(math.Round(v)))
	}
	return FormatSignificant(v)
}

// FormatBytes returns a number of bytes with three significant digits and a decimal unit: 1 KB is 1000 bytes.
func FormatBytes(v float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}} {
		if math.Abs(v) >= u.size {
			return FormatSignificant(v/u.size) + " " + u.name
		}
	}
	return fmt.Sprintf("%.0f bytes", v)
}

// FormatClock returns a time since the start of a run, as in 00:07 or 1:02:03.
func FormatClock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// Printable replaces characters that could move a terminal's cursor or change its colours. Some of the text that is
// shown comes from the service.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
