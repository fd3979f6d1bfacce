package options

import (
	"fmt"
	"math"
	"strconv"

	"p2p-messaging/transport/arguments"
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
type size = arguments.Size

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
