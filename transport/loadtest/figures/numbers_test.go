package figures

import (
	"testing"
	"time"
)

func TestNumbersHaveThreeDigitsThatMatter(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 250: "0.25 µs", 1500: "1.50 µs", 999_499: "999 µs", 999_500: "1.00 ms", 999_499_999: "999 ms", 999_500_000: "1.00 s", 12_340_000: "12.3 ms", 123_400_000: "123 ms", 1_234_000_000: "1.23 s", 61 * time.Second: "1m1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d ns is written %q; wanted %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := FormatCount(n); got != want {
			t.Errorf("%d is written %q; wanted %q", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 3210: "3.21 KB", 34e6: "34.0 MB", 1.5e9: "1.50 GB"} {
		if got := FormatBytes(v); got != want {
			t.Errorf("%v bytes are written %q; wanted %q", v, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "00:00", 67 * time.Second: "01:07", 3723 * time.Second: "1:02:03"} {
		if got := FormatClock(d); got != want {
			t.Errorf("%v is written %q; wanted %q", d, got, want)
		}
	}
}
