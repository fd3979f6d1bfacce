package options

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// host returns the host to listen on. An IPv6 address may stand in brackets, as it does in a URL.
func (f *Flags) host() string { return strings.Trim(f.Host, "[]") }

// checkHost finds hosts that no machine can listen on.
func (f *Flags) checkHost() error {
	if strings.Contains(f.Host, "/") {
		return usage("--host: %q is a URL or a network: give an address or a name alone", f.Host)
	}
	if host, port, err := net.SplitHostPort(f.Host); err == nil {
		return usage("--host: %q has a port in it: give --host %s --port %s", f.Host, host, port)
	}
	address, err := netip.ParseAddr(f.host())
	switch {
	case err != nil:
		return nil // a name
	case address.IsMulticast():
		return usage("--host: %s is a multicast address: give an address of this machine", address)
	case address.Is6() && address.IsLinkLocalUnicast() && address.Zone() == "":
		return usage("--host: %s is a link-local address: name its interface, too, as in %s%%eth0", address, address)
	}
	return nil
}

// Listen opens the port that the flags name. If the program that has started this one passes a socket that listens already
// (sd_listen_fds(3)), Listen takes that one. Its error says what the operator can do. It is a *[UsageError] if this machine does
// not have the address.
func (f *Flags) Listen() (net.Listener, error) {
	if passed, err := passedListener(); passed != nil || err != nil {
		return passed, err
	}
	host := f.host()
	// The service sends pings of its own. TCP's keep-alive probes would only add work.
	config := net.ListenConfig{KeepAlive: -1}
	if f.ReusePort {
		config.Control = reusePort
		config.SetMultipathTCP(false) // Linux cannot leave such a port to another process
	}
	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(f.port())))
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use: stop what listens there, or choose another port with --port", f.port())
	case errors.Is(err, syscall.EACCES) && len(f.Domain) > 0:
		return nil, fmt.Errorf("this user may not listen on port %d: run the program as root, or give it the capability CAP_NET_BIND_SERVICE", f.port())
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on port %d: choose one above 1023 with --port", f.port())
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EINVAL), errors.As(err, &unknown):
		return nil, usage("--host: %q is no address of this machine", f.Host)
	case err != nil:
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// passedListener returns the listener that the program that has started this one passes, or nil. Programs that this one starts do
// not get it.
func passedListener() (net.Listener, error) {
	files := activation.Files(true)
	defer func() {
		for _, file := range files {
			_ = file.Close() // the listener has a duplicate
		}
	}()
	switch len(files) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, fmt.Errorf("%d sockets were passed to this program by LISTEN_FDS: pass one", len(files))
	}
	l, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed by LISTEN_FDS cannot be used: %w", err)
	}
	if _, isTCP := l.(*net.TCPListener); !isTCP {
		_ = l.Close()
		return nil, errors.New("the socket that was passed by LISTEN_FDS is none of TCP: let it listen at an address and a port")
	}
	return l, nil
}
