package options

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// checkAdmin finds addresses that no admin port can have.
func (f *Flags) checkAdmin() error {
	if f.Admin == "" {
		if f.AdminSessions {
			return usage("--admin-sessions needs --admin, as in --admin 127.0.0.1:7778")
		}
		return nil
	}
	if strings.Contains(f.Admin, "/") {
		return usage("--admin: %q is a URL or a path: give an address and a port, as in 127.0.0.1:7778", f.Admin)
	}
	_, port, err := net.SplitHostPort(f.Admin)
	if err != nil {
		return usage("--admin: %q is no address and port: write it as in 127.0.0.1:7778", f.Admin)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usage("--admin: %q is no port: give a number from 0 to 65535", port)
	}
	return nil
}

// AdminHost returns the host that --admin has.
func (f *Flags) AdminHost() string {
	host, _, _ := net.SplitHostPort(f.Admin)
	return host
}

// OpenAdmin opens the admin port. It returns nil if there is none. It warns if other machines reach the port. Its error says what the
// operator can do.
func (f *Flags) OpenAdmin(logger *slog.Logger) (l net.Listener, loopback bool, err error) {
	if f.Admin == "" {
		return nil, false, nil
	}
	l, err = net.Listen("tcp", f.Admin)
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, false, fmt.Errorf("the address of --admin, %s, is in use: stop what listens there, or choose another port", f.Admin)
	case errors.Is(err, syscall.EACCES):
		return nil, false, fmt.Errorf("this user may not listen at %s: choose a port above 1023 for --admin", f.Admin)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EINVAL), errors.As(err, &unknown):
		return nil, false, usage("--admin: %q is no address of this machine", f.AdminHost())
	case err != nil:
		return nil, false, fmt.Errorf("opening the admin port: %w", err)
	}
	at := l.Addr().(*net.TCPAddr)
	logger.Info("the admin port is open", slog.String("address", at.String()), slog.Bool("sessions", f.AdminSessions))
	if loopback = at.IP.IsLoopback(); !loopback {
		logger.Warn("other machines may reach the admin port, and it asks for no password: let a firewall keep strangers out, or give --admin an address such as 127.0.0.1:7778")
	}
	return l, loopback, nil
}
