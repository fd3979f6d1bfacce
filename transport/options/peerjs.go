package options

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// defaultPeerJSLimit is the default of --peerjs-concurrent-limit, which is that of a PeerJS server.
const defaultPeerJSLimit = 5000

// checkPeerJS finds options for PeerJS clients that cannot be used, or do nothing.
func (f *Flags) checkPeerJS() error {
	defaults := Vars()
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"path", f.PeerJSPath != defaults["peerjs_path"]},
		{"key", f.PeerJSKey != defaults["peerjs_key"]},
		{"allow-discovery", f.PeerJSAllowDiscovery},
		{"cors", len(f.PeerJSCORS) > 0},
		{"concurrent-limit", f.PeerJSConcurrentLimit != defaultPeerJSLimit},
		{"expire-timeout", f.PeerJSExpireTimeout.String() != defaults["peerjs_expire_timeout"]},
		{"alive-timeout", f.PeerJSAliveTimeout.String() != defaults["peerjs_alive_timeout"]},
		{"reserve", f.PeerJSReserve != 0},
		{"message-limit", f.PeerJSMessageLimit.String() != defaults["peerjs_message_limit"]},
	} {
		if flag.given && !f.PeerJS {
			return usage("--peerjs-%s needs --peerjs, which serves PeerJS clients", flag.name)
		}
	}
	switch {
	case !f.PeerJS:
		return nil
	case f.PeerJSKey == "":
		return usage("--peerjs-key cannot be empty: give the key that your clients name, or * for any")
	case f.PeerJSConcurrentLimit < 0:
		return usage("--peerjs-concurrent-limit must be 0, for no limit, or more, not %d", f.PeerJSConcurrentLimit)
	case f.PeerJSExpireTimeout < time.Second:
		return usage("--peerjs-expire-timeout must be at least 1s, not %v: a client that is just coming back must get what was sent to it", f.PeerJSExpireTimeout)
	case f.PeerJSAliveTimeout < time.Second:
		return usage("--peerjs-alive-timeout must be at least 1s, not %v", f.PeerJSAliveTimeout)
	case f.PeerJSReserve < 0:
		return usage("--peerjs-reserve must be 0, or a time such as 30s, not %v", f.PeerJSReserve)
	}
	for _, origin := range f.PeerJSCORS {
		if origin == "*" {
			return usage("--peerjs-cors: all origins are allowed if the flag is not given: leave it out")
		}
		if !strings.Contains(origin, "://") && origin != "null" {
			return usage("--peerjs-cors: %q is no origin: write it like https://chat.example.org", origin)
		}
	}
	return nil
}

// PeersFile returns the file in which what waits for PeerJS clients is kept while the service restarts, or "". The port tells the services of
// one user apart.
func (f *Flags) PeersFile(logger *slog.Logger, port int) string {
	if !f.PeerJS || f.port() == 0 {
		return ""
	}
	dir, err := f.stateDir()
	if err != nil {
		logger.Warn("what waits for PeerJS clients is lost when the service restarts: name a folder with --state-dir")
		return ""
	}
	return filepath.Join(dir, fmt.Sprintf("peerjs-%d", port))
}

// peersInside returns what the actors need to know of PeerJS clients.
func (f *Flags) peersInside() *actors.PeerJS {
	if !f.PeerJS {
		return nil
	}
	return &actors.PeerJS{
		Limit:         f.PeerJSConcurrentLimit,
		ExpireTimeout: f.PeerJSExpireTimeout,
		Reserve:       f.PeerJSReserve,
		Discovery:     f.PeerJSAllowDiscovery,
		MaxMessage:    int(f.PeerJSMessageLimit),
	}
}

// peersOutside returns what the server needs to know of PeerJS clients.
func (f *Flags) peersOutside() *transport.PeerJS {
	if !f.PeerJS {
		return nil
	}
	return &transport.PeerJS{
		Path:         f.PeerJSPath,
		Key:          f.PeerJSKey,
		Discovery:    f.PeerJSAllowDiscovery,
		Origins:      f.PeerJSCORS,
		MaxMessage:   int(f.PeerJSMessageLimit),
		AliveTimeout: f.PeerJSAliveTimeout,
	}
}
