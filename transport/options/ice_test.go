package options

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestWhatNeverWorksForICEIsNamed(t *testing.T) {
	for arguments, want := range map[string]string{
		"--turn-secret=x":                                          "give --turn-public-ip, too",
		"--turn-allow-peer=10.0.0.0/8":                             "give --turn-public-ip, too",
		"--turn-listen=:3479":                                      "--turn-listen is for the TURN server of this service: give --turn-public-ip, too",
		"--turn-ports=50000-50100":                                 "--turn-ports is for the TURN server of this service",
		"--turn-allocations=7":                                     "--turn-allocations is for",
		"--turn-allocations-per-login=0":                           "--turn-allocations-per-login is for",
		"--turn-rate=1MiB":                                         "--turn-rate is for",
		"--turn-rate-per-login=0 --ice-server=stun:a":              "--turn-rate-per-login is for",
		"--ice-server-secret=x --ice-server=stun:a,stuns:b":        "--ice-server names none",
		"--ice-server=stun:[:::]":                                  "is no STUN or TURN server",
		"--ice-server=stun:[1.2.3.4]":                              "is no STUN or TURN server",
		"--ice-server=stun:a..b":                                   "is no STUN or TURN server",
		"--ice-server=stun:.a":                                     "is no STUN or TURN server",
		"--turn-public-ip=chat.example.org":                        `"chat.example.org" is no IP address`,
		"--turn-public-ip=0.0.0.0":                                 "nobody can reach 0.0.0.0",
		"--turn-public-ip=::ffff:1.2.3.4":                          "nobody can reach",
		"--turn-public-ip=1.2.3.4,1.2.3.5":                         "one address of IPv4 and one of IPv6 at most",
		"--turn-public-ip=1.2.3.4 --turn-listen=3478":              `"3478" is no address with a port`,
		"--turn-public-ip=1.2.3.4 --turn-listen=:99999":            `":99999" is no address with a port`,
		"--turn-public-ip=1.2.3.4 --turn-allow-peer=10.0.0/8":      `"10.0.0/8" is no network`,
		"--turn-public-ip=1.2.3.4 --turn-allocations=-1":           "cannot be negative",
		"--turn-public-ip=1.2.3.4 --turn-allocations-per-login=-1": "cannot be negative",
		"--ice-server=stun.example.org":                            "is no STUN or TURN server",
		"--ice-server=stun:a:0":                                    "is no STUN or TURN server",
		"--ice-server=stun:a:99999":                                "is no STUN or TURN server",
		"--ice-server=https://a":                                   "is no STUN or TURN server",
		"--ice-server=stun:a?transport=udp":                        "write stun:a",
		"--ice-server=turn:a":                                      "give --ice-server-secret",
		"--ice-server-secret=x":                                    "is for the servers of --ice-server",
	} {
		var usage *UsageError
		if err := parse(t, strings.Fields(arguments)...).Check(); !errors.As(err, &usage) || !strings.Contains(usage.Reason, want) {
			t.Errorf("%s: %v; wanted %q in a UsageError", arguments, err, want)
		}
	}
	for _, arguments := range []string{
		"", "--turn-public-ip=203.0.113.7", "--turn-public-ip=203.0.113.7,2001:db8::7", "--turn-public-ip=[2001:db8::7]",
		"--turn-public-ip=203.0.113.7 --turn-allow-peer=10.0.0.0/8,192.0.2.1,fd00::/8 --turn-listen=192.0.2.1:3478 --turn-ports=50000-50100 --turn-rate=100MiB --turn-rate-per-login=0",
		"--ice-server=stun:stun.example.org,stuns:[2001:db8::1]:5349", "--ice-server=stun:stun.example.org.:3478", "--turn-listen=:3478 --turn-rate=0", "--ice-server=turns:t.example.org:443?transport=tcp --ice-server-secret=x",
	} {
		if err := parse(t, strings.Fields(arguments)...).Check(); err != nil {
			t.Errorf("%s: %v; wanted it taken", arguments, err)
		}
	}
}

func TestICEServersHaveTheAddressesOfTheFlags(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	if server, offer, err := parse(t).ICE(logger, nil); server != nil || offer != nil || err != nil {
		t.Errorf("without flags there are %v, %p, %v", server, offer, err)
	}
	server, offer, err := parse(t, "--port=443", "--turn-public-ip=203.0.113.7,2001:db8::7", "--turn-listen=127.0.0.1:0",
		"--ice-server=stun:elsewhere.test", "--ice-server=turn:elsewhere.test", "--ice-server-secret=x").ICE(logger, []string{"chat.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var urls []string
	for _, s := range offer("alice") {
		for _, url := range s.URLs {
			if strings.HasPrefix(url, "turn") != (s.Credential != "" && strings.HasSuffix(s.Username, ":alice")) {
				t.Errorf("%s has the credentials %q, %q", url, s.Username, s.Credential)
			}
			urls = append(urls, url)
		}
	}
	_, port, _ := strings.Cut(urls[0], "203.0.113.7:")
	want := []string{
		"stun:203.0.113.7:" + port, "stun:[2001:db8::7]:" + port,
		"turn:203.0.113.7:" + port + "?transport=udp", "turn:203.0.113.7:" + port + "?transport=tcp",
		"turn:[2001:db8::7]:" + port + "?transport=udp", "turn:[2001:db8::7]:" + port + "?transport=tcp",
		"turns:chat.example.org:443?transport=tcp", "stun:elsewhere.test", "turn:elsewhere.test",
	}
	if !slices.Equal(urls, want) {
		t.Errorf("the servers are %q, want %q", urls, want)
	}
}

func TestACertificateForWildcardsAloneLeavesTURNOverTLSToTheOperator(t *testing.T) {
	flags := []string{"--tls-cert=c", "--tls-key=k", "--turn-public-ip=203.0.113.7", "--turn-listen=127.0.0.1:0"}
	for _, row := range []struct {
		more  []string
		turns string
		warns bool
	}{
		{nil, "", true},
		{[]string{"--ice-server=turns:chat.example.org:443?transport=tcp", "--ice-server-secret=x", "--turn-secret=x"}, "turns:chat.example.org:443?transport=tcp", false},
	} {
		var log strings.Builder
		server, offer, err := parse(t, append(flags, row.more...)...).ICE(slog.New(slog.NewTextHandler(&log, nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		var turns string
		for _, s := range offer("alice") {
			for _, url := range s.URLs {
				if strings.HasPrefix(url, "turns:") {
					turns += url
				}
			}
		}
		if turns != row.turns || strings.Contains(log.String(), "TURN over TLS is not offered") != row.warns {
			t.Errorf("with %q clients get %q, and the log says %q", row.more, turns, log.String())
		}
	}
}
