package arguments

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, at least 1. On the command line it may have a unit: KiB, MiB or GiB.
type Size int

func units() map[string]int { return map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), 1
	for unit, bytes := range units() {
		if trimmed, found := strings.CutSuffix(number, unit); found {
			number, factor = strings.TrimSpace(trimmed), bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > math.MaxInt/factor {
		return fmt.Errorf("%q is no size: give a number of bytes, or as in 256KiB or 1MiB", text)
	}
	*s = Size(n * factor)
	return nil
}

// String writes s with the largest unit that divides it.
func (s Size) String() string {
	best, factor := "", 1
	for unit, bytes := range units() {
		if int(s)%bytes == 0 && bytes > factor {
			best, factor = unit, bytes
		}
	}
	return strconv.Itoa(int(s)/factor) + best
}
