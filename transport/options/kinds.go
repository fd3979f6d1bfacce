package options

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// port is a TCP port. On the command line, 0 stands for any free port.
type port uint16

func (p *port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("%q is no port: give a number from 0 to %d", text, math.MaxUint16)
	}
	*p = port(n)
	return nil
}

// size is a number of bytes, at least 1. On the command line it may have a unit: KiB, MiB or GiB.
type size int

func units() map[string]int { return map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} }

func (s *size) UnmarshalText(text []byte) error {
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
	*s = size(n * factor)
	return nil
}

// rate is a number of bytes a second, as size, or 0 for no limit.
type rate int

func (r *rate) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*r = 0
		return nil
	}
	return (*size)(r).UnmarshalText(text)
}

func (r rate) String() string {
	if r == 0 {
		return "0"
	}
	return size(r).String()
}

// String writes s with the largest unit that divides it.
func (s size) String() string {
	best, factor := "", 1
	for unit, bytes := range units() {
		if int(s)%bytes == 0 && bytes > factor {
			best, factor = unit, bytes
		}
	}
	return strconv.Itoa(int(s)/factor) + best
}
