package options

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// Listen opens the port that the flags name. Its error says what the operator can do. It is a *[UsageError] if this machine
// does not have the address.
func (f *Flags) Listen() (net.Listener, error) {
	// An IPv6 address may stand in brackets, as it does in a URL.
	host := strings.Trim(f.Host, "[]")
	// The service sends pings of its own. TCP's keep-alive probes would only add work.
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(int(f.Port))))
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use: stop what listens there, or choose another port with --port", f.Port)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on port %d: choose one above 1023 with --port", f.Port)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &unknown):
		return nil, usage("--host: %q is no address of this machine", f.Host)
	case err != nil:
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}
